/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name servers and search domains for the time of the tunnel: by systemd-resolved where it runs, by resolvconf where it
 * is installed, else in /etc/resolv.conf itself.
 */
#ifndef MONITOR_DNS_H
#define MONITOR_DNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "monitor/plan.h"

struct journal;

#define DNS_LINK       "resolved" /* journal kinds */
#define DNS_RESOLVCONF "resolvconf"
#define DNS_FILE       "resolv.conf"

struct dns {
	struct journal *journal;
	const char *device;
	const char *kind; /* what stands, and its journal entry; NULL: nothing */
	char *text;
};

/** dns_init() - Nothing set yet; both are borrowed */
void dns_init(struct dns *d, struct journal *j, const char *device);

/** dns_set() - Replace what stands by @plan's servers and domains; none: only undo. Return: 0, ERR_SYS, ERR_NOMEM */
int dns_set(struct dns *d, const struct plan *plan);

/** dns_stands() - Whether what was set is still there; only a file can be rewritten by others without our knowledge */
bool dns_stands(const struct dns *d);

/** dns_text() - The lines of a resolv.conf for @plan, appended to @out. Return: 0 or ERR_NOMEM */
int dns_text(const struct plan *plan, struct buf *out);

/**
 * dns_file_set() - Replace a file's content, with a journal entry to undo it
 * @d:    state
 * @path: file; a symbolic link is followed; it need not exist
 * @text: new content
 *
 * Atomic by rename; a file that is a mount point (as in `ip netns exec`) is written in place.
 *
 * Return: 0, ERR_TOO_BIG (the file is no resolv.conf), ERR_SYS, ERR_NOMEM.
 */
int dns_file_set(struct dns *d, const char *path, const struct buf *text);

/** dns_undo_link(), dns_undo_resolvconf(), dns_undo_file() - The undo of each journal kind; @arg is unused */
void dns_undo_link(void *arg, const char *text);
void dns_undo_resolvconf(void *arg, const char *text);

/* The original comes back only if the file is still as we left it; else somebody else's words stay, with a warning. */
void dns_undo_file(void *arg, const char *text);

/** dns_fini() - Free; what stands is left to the journal */
void dns_fini(struct dns *d);

#endif
