/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming the unprivileged user for good. */
#ifndef MONITOR_PRIVILEGE_H
#define MONITOR_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privilege {
	uid_t uid;
	gid_t gid;
};

/**
 * privilege_find() - Look up the unprivileged user
 * @user: its name; when there is none, "nobody" is taken, with a warning
 * @out:  filled
 *
 * Return: 0, ERR_MISSING (not even nobody), ERR_DENIED (it is root).
 */
int privilege_find(const char *user, struct privilege *out);

/**
 * privilege_drop() - Become that user: no groups, no capabilities, no new privileges, not dumpable, no core files
 *
 * The bounding set is cleared too, which takes CAP_SETPCAP; without it that is left out, see privilege_is_bounded().
 *
 * Return: 0, or ERR_SYS: the process must end.
 */
int privilege_drop(const struct privilege *p);

/** privilege_is_bounded() - Whether no capability is left in the bounding set */
bool privilege_is_bounded(void);

/** privilege_close_others() - Close every descriptor above 2 that is not among @keep; sorts @keep */
void privilege_close_others(int *keep, size_t len);

#endif
