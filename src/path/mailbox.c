/* SPDX-License-Identifier: Apache-2.0 */
/* Work posted to a worker by other threads. */
#include "path/mailbox.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/err.h"

struct letter {
	void (*fn)(void *arg);
	void *arg;
	STAILQ_ENTRY(letter) next;
};
STAILQ_HEAD(letters, letter);

struct mailbox {
	uv_async_t wake;
	pthread_mutex_t lock;
	struct letters letters;
	bool closed;
};

/* Returns false when there was none; the mailbox then takes no more if this was the @last call. */
static bool run_letters(struct mailbox *m, bool last)
{
	struct letters now = STAILQ_HEAD_INITIALIZER(now);
	struct letter *l;

	pthread_mutex_lock(&m->lock);
	STAILQ_CONCAT(&now, &m->letters);
	m->closed = last && STAILQ_EMPTY(&now);
	pthread_mutex_unlock(&m->lock);
	if (STAILQ_EMPTY(&now))
		return false;
	while ((l = STAILQ_FIRST(&now))) {
		STAILQ_REMOVE_HEAD(&now, next);
		l->fn(l->arg);
		free(l);
	}
	return true;
}

static void on_wake(uv_async_t *handle)
{
	run_letters(handle->data, false);
}

struct mailbox *mailbox_new(uv_loop_t *loop)
{
	struct mailbox *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	STAILQ_INIT(&m->letters);
	pthread_mutex_init(&m->lock, NULL);
	m->wake.data = m;
	if (uv_async_init(loop, &m->wake, on_wake) < 0) {
		free(m);
		return NULL;
	}
	return m;
}

int mailbox_post(struct mailbox *m, void (*fn)(void *arg), void *arg)
{
	struct letter *l = malloc(sizeof(*l));
	bool closed;

	if (!l)
		return ERR_NOMEM;
	l->fn = fn;
	l->arg = arg;
	pthread_mutex_lock(&m->lock);
	closed = m->closed;
	if (!closed) {
		STAILQ_INSERT_TAIL(&m->letters, l, next);
		uv_async_send(&m->wake); /* under the lock: the handle is not closed before we are through */
	}
	pthread_mutex_unlock(&m->lock);
	if (!closed)
		return 0;
	free(l);
	return ERR_EOF;
}

void mailbox_close(struct mailbox *m)
{
	while (run_letters(m, true))
		; /* letters may post letters */
	uv_close((uv_handle_t *)&m->wake, NULL);
}

void mailbox_free(struct mailbox *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m);
}
