/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes from the kernel. */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	while (len) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort(); /* no kernel that we run on lacks it; a guessable secret is worse than no service */
		at += n;
		len -= (size_t)n;
	}
}

uint32_t random_below(uint32_t bound)
{
	uint32_t skip = -bound % bound; /* values below it would favour small results */
	uint32_t v;

	do
		random_bytes(&v, sizeof(v));
	while (v < skip);
	return v % bound;
}
