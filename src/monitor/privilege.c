/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming the unprivileged user for good. */
#include "monitor/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

#define FALLBACK_USER "nobody"

#ifdef __SANITIZE_ADDRESS__
enum { DUMPABLE = 1 }; /* the leak check traces its own process */
#else
enum { DUMPABLE = 0 };
#endif

int privilege_find(const char *user, struct privilege *out)
{
	const struct passwd *p = getpwnam(user);

	if (!p) {
		log_warn("no such user, taking " FALLBACK_USER ": user=%s", user);
		p = getpwnam(FALLBACK_USER);
	}
	if (!p)
		return ERR_MISSING;
	if (p->pw_uid == 0)
		return ERR_DENIED;
	*out = (struct privilege){ p->pw_uid, p->pw_gid };
	return 0;
}

int privilege_drop(const struct privilege *p)
{
	const struct rlimit no_core = { 0, 0 };

	/* The bounding set first: shrinking it needs a capability. */
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_BOUNDS) < 0) {
		errno = EPERM;
		return ERR_SYS;
	}
	if (setgroups(0, NULL) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 || setresuid(p->uid, p->uid, p->uid) < 0)
		return ERR_SYS;
	if (capng_apply(CAPNG_SELECT_CAPS) < 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE) {
		errno = EPERM;
		return ERR_SYS;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &no_core) < 0)
		return ERR_SYS;
	return 0;
}

bool privilege_is_bounded(void)
{
	unsigned long cap;
	int r;

	for (cap = 0; (r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++)
		if (r)
			return false;
	return true;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void privilege_close_others(int *keep, size_t len)
{
	unsigned first = STDERR_FILENO + 1;
	size_t i;

	qsort(keep, len, sizeof(*keep), compare);
	for (i = 0; i < len; i++) {
		if ((unsigned)keep[i] > first)
			close_range(first, (unsigned)keep[i] - 1, 0);
		if (keep[i] >= (int)first)
			first = (unsigned)keep[i] + 1;
	}
	close_range(first, UINT_MAX, 0);
}
