/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's memory and its TUN queue on the loop. */
#include "path/path.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ip/coalesce.h"
#include "path/egress.h"
#include "path/ingress.h"
#include "path/mailbox.h"
#include "wire/frame.h"

/* Behind the last packet of a full batch there is still room to read a whole one. */
enum { GATHER_LEN = PATH_BATCH_BYTES + PATH_BATCH_PACKETS * FRAME_HEADER_LEN + 2 * (FRAME_HEADER_LEN + 65536) };

static void on_tun(uv_poll_t *handle, int status, int events)
{
	struct path *p = handle->data;

	if (status < 0) {
		uv_poll_stop(handle);
		log_err("the tunnel's device is gone");
		p->broken(p->owner);
	} else if (events & UV_READABLE) {
		egress_tun(p, clock_ms());
	}
}

int path_open(struct path *p, uv_loop_t *loop)
{
	p->loop = loop;
	p->gather = malloc(GATHER_LEN);
	p->wire = malloc(PATH_WIRE_LEN);
	p->coalescer = malloc(sizeof(*p->coalescer));
	p->mailbox = mailbox_new(loop);
	if (!p->gather || !p->wire || !p->coalescer || !p->mailbox)
		return ERR_NOMEM;
	coalesce_init(p->coalescer, ingress_write_merged, p, (p->tso ? COALESCE_TCP : 0) | (p->uso ? COALESCE_UDP : 0));
	p->tun_poll.data = p;
	if (uv_poll_init(loop, &p->tun_poll, p->tun_fd) < 0)
		return ERR_SYS;
	path_resume(p);
	return 0;
}

void path_pause(struct path *p)
{
	p->paused = true;
	uv_poll_stop(&p->tun_poll);
}

void path_resume(struct path *p)
{
	p->paused = false;
	if (!uv_is_closing((uv_handle_t *)&p->tun_poll))
		uv_poll_start(&p->tun_poll, UV_READABLE, on_tun);
}

void path_close(struct path *p)
{
	uv_close((uv_handle_t *)&p->tun_poll, NULL);
	mailbox_close(p->mailbox);
	free(p->gather);
	free(p->wire);
	free(p->coalescer);
	buf_fini(&p->sealed);
	buf_fini(&p->plain);
	p->gather = p->wire = NULL;
	p->coalescer = NULL;
}

void path_fini(struct path *p)
{
	mailbox_free(p->mailbox);
	p->mailbox = NULL;
}
