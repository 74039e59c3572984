/* SPDX-License-Identifier: Apache-2.0 */
/* Who may change state through the control socket. */
#include "server/rights.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

void rights_init(struct rights *r, int listen_fd)
{
	struct sockaddr_un name = { 0 };
	socklen_t len = sizeof(name) - 1; /* the last byte stays NUL */
	struct stat st;

	*r = (struct rights){ .uid = getuid() };
	if (getsockname(listen_fd, (struct sockaddr *)&name, &len) < 0 || stat(name.sun_path, &st) < 0)
		return;
	r->has_group = S_ISSOCK(st.st_mode) && (st.st_mode & S_IWGRP);
	r->group = st.st_gid;
}

int rights_caller(int fd, struct caller_groups *out)
{
	struct ucred peer;
	socklen_t len = sizeof(peer), groups_len = sizeof(out->gids) - sizeof(gid_t);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return ERR_SYS;
	out->uid = peer.uid;
	out->gids[0] = peer.gid;
	out->len = 1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, out->gids + 1, &groups_len) == 0)
		out->len += groups_len / sizeof(gid_t);
	return 0;
}

bool rights_allow(const struct rights *r, const struct caller_groups *who)
{
	size_t i;

	if (who->uid == 0 || who->uid == r->uid)
		return true;
	for (i = 0; r->has_group && i < who->len; i++)
		if (who->gids[i] == r->group)
			return true;
	return false;
}
