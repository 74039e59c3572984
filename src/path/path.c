/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's loop and thread, its memory, and its TUN queue on the loop. */
#include "path/path.h"

#include <stdlib.h>

#include <urcu/rculfhash.h>
#include <urcu/urcu-memb.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "ip/coalesce.h"
#include "path/egress.h"
#include "path/flow.h"
#include "path/ingress.h"
#include "path/mailbox.h"
#include "wire/frame.h"

/* Behind the last packet of a full batch there is still room to read a whole one. */
enum { FIRST_BUCKETS = 64 };
enum { GATHER_LEN = PATH_BATCH_BYTES + PATH_BATCH_PACKETS * FRAME_HEADER_LEN + 2 * (FRAME_HEADER_LEN + 65536) };

static void on_tun(uv_poll_t *handle, int status, int events)
{
	struct path *p = handle->data;

	if (status < 0) {
		uv_poll_stop(handle);
		p->broken(p->owner);
	} else if (events & UV_READABLE) {
		egress_tun(p, clock_ms());
	}
}

static void read_tun(struct path *p)
{
	atomic_store(&p->paused, false);
	if (!uv_is_closing((uv_handle_t *)&p->tun_poll))
		uv_poll_start(&p->tun_poll, UV_READABLE, on_tun);
}

int path_open(struct path *p, uv_loop_t *loop)
{
	p->loop = loop ? loop : &p->own_loop;
	if (!loop && uv_loop_init(p->loop) < 0)
		return ERR_SYS;
	p->gather = malloc(GATHER_LEN);
	p->wire = malloc(PATH_WIRE_LEN);
	p->receive_max = PATH_MERGED_MAX;
	p->coalescer = malloc(sizeof(*p->coalescer));
	p->records = malloc(UDP_SEND_MAX);
	p->received = malloc((size_t)UDP_RECV_MAX * UDP_RECV_ROOM);
	p->by_peer =
		cds_lfht_new_flavor(FIRST_BUCKETS, FIRST_BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, &urcu_memb_flavor, NULL);
	random_bytes(&p->hash_key, sizeof(p->hash_key));
	TAILQ_INIT(&p->flows);
	p->mailbox = mailbox_new(p->loop);
	if (!p->gather || !p->wire || !p->records || !p->received || !p->by_peer || !p->coalescer || !p->mailbox)
		return ERR_NOMEM;
	coalesce_init(p->coalescer, ingress_write_merged, p, (p->tso ? COALESCE_TCP : 0) | (p->uso ? COALESCE_UDP : 0));
	p->tun_poll.data = p;
	if (uv_poll_init(p->loop, &p->tun_poll, p->tun_fd) < 0)
		return ERR_SYS;
	read_tun(p);
	return 0;
}

static void *run(void *arg)
{
	struct path *p = arg;

	urcu_memb_register_thread();
	uv_run(p->loop, UV_RUN_DEFAULT);
	uv_loop_close(p->loop);
	urcu_memb_unregister_thread();
	return NULL;
}

int path_start(struct path *p)
{
	return pthread_create(&p->thread, NULL, run, p) ? ERR_SYS : 0;
}

void path_join(struct path *p)
{
	pthread_join(p->thread, NULL);
}

void path_pause(struct path *p)
{
	atomic_store(&p->paused, true);
	uv_poll_stop(&p->tun_poll);
}

static void resume(void *path)
{
	read_tun(path);
}

void path_resume_all(struct path *p)
{
	struct path *one;

	for (one = p->crew; one < p->crew + p->crew_len; one++) {
		if (!atomic_load(&one->paused))
			continue;
		if (one == p)
			read_tun(p);
		else
			mailbox_post(one->mailbox, resume, one); /* without memory: it is told the next time */
	}
}

void path_close(struct path *p)
{
	p->closed = true;
	flows_close(p);
	uv_close((uv_handle_t *)&p->tun_poll, NULL);
	mailbox_close(p->mailbox);
	free(p->gather);
	free(p->wire);
	free(p->records);
	free(p->received);
	free(p->coalescer);
	buf_fini(&p->sealed);
	buf_fini(&p->plain);
	p->gather = p->wire = p->records = p->received = NULL;
	p->coalescer = NULL;
}

void path_fini(struct path *p)
{
	cds_lfht_destroy(p->by_peer, NULL);
	mailbox_free(p->mailbox);
	p->mailbox = NULL;
}
