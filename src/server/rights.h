/* SPDX-License-Identifier: Apache-2.0 */
/* Who may change state through the control socket: root, this process's user, members of the socket's group. */
#ifndef SERVER_RIGHTS_H
#define SERVER_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RIGHTS_GROUPS_MAX = 256 };

struct rights {
	uid_t uid; /* this process's */
	bool has_group;
	gid_t group; /* of the socket's file, when its mode lets the group write */
};

struct caller_groups {
	uid_t uid;
	gid_t gids[RIGHTS_GROUPS_MAX];
	size_t len;
};

/**
 * rights_init() - Learn who has the right
 * @r:         filled
 * @listen_fd: listening AF_UNIX socket, bound to its file, which has its final owner and mode
 *
 * A socket whose file cannot be seen has no group.
 */
void rights_init(struct rights *r, int listen_fd);

/**
 * rights_caller() - Who connected (SO_PEERCRED, SO_PEERGROUPS)
 * @fd:  accepted socket
 * @out: filled; with more than RIGHTS_GROUPS_MAX supplementary groups only the primary one counts
 *
 * Return: 0 or ERR_SYS.
 */
int rights_caller(int fd, struct caller_groups *out);

/** rights_allow() - Whether @who may change state */
bool rights_allow(const struct rights *r, const struct caller_groups *who);

#endif
