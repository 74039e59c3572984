/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets share. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/** fuzz_check() - End the run unless an invariant holds */
#define fuzz_check(holds)        \
	do {                     \
		if (!(holds))    \
			abort(); \
	} while (0)

/** fuzz_http() - A parser that has read a whole message into @m, to be freed with http_free(); NULL when there is none
 */
static inline struct http_parser_state *fuzz_http(enum http_kind kind, bool connect_reply, const uint8_t *data,
						  size_t len, struct http_message *m)
{
	struct http_parser_state *p = http_new(kind, connect_reply, true);
	size_t used;

	fuzz_check(p);
	if (http_feed(p, data, len, &used, m) == 1 || http_finish(p, m) == 1)
		return p;
	http_free(p);
	return NULL;
}

#endif
