/* SPDX-License-Identifier: Apache-2.0 */
/* Work posted to a worker by other threads: a function and its argument, run on the worker's loop in order. */
#ifndef PATH_MAILBOX_H
#define PATH_MAILBOX_H

#include <uv.h>

struct mailbox;

/** mailbox_new() - On @loop, which it keeps alive until it is closed. NULL: no memory */
struct mailbox *mailbox_new(uv_loop_t *loop);

/** mailbox_post() - Have @fn(@arg) run on the mailbox's loop; from any thread. Return: 0, ERR_NOMEM, or ERR_EOF: closed
 */
int mailbox_post(struct mailbox *m, void (*fn)(void *arg), void *arg);

/** mailbox_close() - Run what is left and take no more; leaves the loop with its next turn; on the loop's thread */
void mailbox_close(struct mailbox *m);

/** mailbox_free() - When its loop has ended and no other thread can post any more; accepts NULL */
void mailbox_free(struct mailbox *m);

#endif
