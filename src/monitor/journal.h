/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be undone, kept in a file so that it outlives us. An entry is written and synced before the change it
 * undoes; the clean end and the start after a crash run the same code: every entry in reverse, then the file goes.
 */
#ifndef MONITOR_JOURNAL_H
#define MONITOR_JOURNAL_H

#include <stdbool.h>

struct journal;

/* How entries of one kind are undone. The change may never have happened, or be undone already. */
struct journal_kind {
	const char *name;                          /* one word */
	void (*undo)(void *arg, const char *text); /* reports its own failures */
};

/**
 * journal_open() - Undo what an earlier run left, then begin an empty journal
 * @path:  file, 0600; one that is not ours alone is refused, for its content is acted upon with all rights
 * @kinds: ended by a NULL name; borrowed
 * @arg:   for every undo
 * @out:   the journal; end it with journal_close()
 *
 * Return: 0, ERR_DENIED (not our own regular file), ERR_SYS, ERR_NOMEM.
 */
int journal_open(const char *path, const struct journal_kind *kinds, void *arg, struct journal **out);

/** journal_recovered() - Whether journal_open() found something to undo */
bool journal_recovered(const struct journal *j);

/**
 * journal_add() - Promise that a change will be undone; to be called before it is made
 * @j:    journal
 * @kind: one of its kinds
 * @text: one line, without newline; copied. The same entry again is not added twice
 *
 * Return: 0, ERR_SYS (then the change must not be made), ERR_NOMEM.
 */
int journal_add(struct journal *j, const char *kind, const char *text);

/** journal_undo() - Undo one entry now and forget it; nothing happens when there is no such entry */
void journal_undo(struct journal *j, const char *kind, const char *text);

/** journal_forget() - Forget one entry whose change the caller has undone; nothing happens when there is no such entry
 */
void journal_forget(struct journal *j, const char *kind, const char *text);

/** journal_close() - Undo everything, last first, remove the file and free; accepts NULL */
void journal_close(struct journal *j);

#endif
