/* SPDX-License-Identifier: Apache-2.0 */
/* How much a source of an unknown flow may cost. */
#include "session/trials.h"

#include "base/addr.h"
#include "base/random.h"

enum { MS_PER_TRIAL = 1000 / TRIALS_PER_SECOND, V6_SOURCE_BITS = 64 };

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned bucket_of(const struct trials *t, const struct addr *source)
{
	struct prefix network = { *source, source->family == ADDR_V6 ? V6_SOURCE_BITS : 32 };

	network = prefix_network(&network);
	return (unsigned)(addr_hash(t->key, &network.addr) % TRIALS_BUCKETS);
}

/* Another worker may have looked at its clock a moment later. */
static void fill(struct trials *t, unsigned bucket, uint64_t now_ms)
{
	uint64_t due;

	if (now_ms <= t->buckets[bucket].filled_ms)
		return;
	due = (now_ms - t->buckets[bucket].filled_ms) / MS_PER_TRIAL;
	t->buckets[bucket].filled_ms += due * MS_PER_TRIAL;
	t->buckets[bucket].left =
		due >= TRIALS_BURST ? TRIALS_BURST : lesser(t->buckets[bucket].left + (unsigned)due, TRIALS_BURST);
}

void trials_init(struct trials *t, uint64_t now_ms)
{
	random_bytes(&t->key, sizeof(t->key));
	for (unsigned i = 0; i < TRIALS_BUCKETS; i++) {
		t->buckets[i].filled_ms = now_ms;
		t->buckets[i].left = TRIALS_BURST;
	}
}

unsigned trials_take(struct trials *t, const struct addr *source, unsigned wanted, uint64_t now_ms)
{
	unsigned bucket = bucket_of(t, source), granted;

	fill(t, bucket, now_ms);
	granted = lesser(lesser(wanted, TRIALS_DATAGRAM), t->buckets[bucket].left);
	t->buckets[bucket].left -= granted;
	return granted;
}
