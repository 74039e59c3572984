/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a gateway's login reply; what is understood must survive our own encoder. */
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "wire/auth.h"

static int decode(const void *data, size_t len, struct auth_reply *reply)
{
	struct http_message m;
	struct http_parser_state *p = fuzz_http(HTTP_REPLY, false, data, len, &m);
	int r = p ? auth_decode_reply(&m, reply) : ERR_SHORT;

	http_free(p);
	return r;
}

static void check_success(const struct auth_reply *reply)
{
	struct auth_reply again;
	struct buf b = BUF_INIT;

	fuzz_check(reply->cookie[0] && !strchr(reply->cookie, ';'));
	fuzz_check(!auth_encode_success(reply->cookie, &b));
	fuzz_check(!decode(buf_data(&b), buf_len(&b), &again) && !strcmp(reply->cookie, again.cookie));
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct auth_reply reply;
	int r = decode(data, len, &reply);

	if (!r)
		check_success(&reply);
	if (r == ERR_REFUSED)
		fuzz_check(reply.error[0] && !reply.cookie[0]);
	return 0;
}
