/* SPDX-License-Identifier: Apache-2.0 */
/* The path MTU of a datagram channel, by probing; the rules are in the header. */
#include "session/pmtu.h"

#include "base/clock.h"
#include "wire/mtu.h"

/* Outer sizes: Ethernet with PPPoE, then with other tunnels in it, IPv6's least, RFC 8899's BASE_PLPMTU, IPv4's least.
 */
static const int ways[] = { 1492, 1472, 1400, MTU_MIN_IPV6, 1200, MTU_MIN_IPV4 };

enum { BASE_V4 = 1200, BASE_V6 = MTU_MIN_IPV6 };

static unsigned inside(int base, enum addr_family outer)
{
	struct mtu_way way = { .base = base, .outer = outer, .cipher = MTU_GCM };

	return (unsigned)mtu_inside(&way);
}

static void fill_sizes(struct pmtu *p, enum addr_family outer, unsigned longest)
{
	int least = outer == ADDR_V6 ? MTU_MIN_IPV6 : MTU_MIN_IPV4;
	unsigned base = inside(outer == ADDR_V6 ? BASE_V6 : BASE_V4, outer);

	p->sizes[p->count++] = longest;
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]) && ways[i] >= least; i++)
		if (inside(ways[i], outer) < p->sizes[p->count - 1])
			p->sizes[p->count++] = inside(ways[i], outer);
	while (p->base < p->count - 1 && p->sizes[p->base] > base)
		p->base++;
}

static void probe_size(struct pmtu *p, unsigned which)
{
	p->probing = which;
	p->tries = 0;
	p->short_passes = false;
}

static void search_from(struct pmtu *p, unsigned which)
{
	probe_size(p, which);
	p->raise_ms = CLOCK_NEVER;
}

static void settle(struct pmtu *p, uint64_t now_ms)
{
	p->probing = p->count;
	p->confirmed_ms = now_ms;
	if (!p->known) {
		p->raise_ms = CLOCK_NEVER;
		p->raise_after_ms = PMTU_RAISE_MS;
	} else if (p->raise_ms == CLOCK_NEVER) {
		p->raise_ms = now_ms + p->raise_after_ms;
		p->raise_after_ms = clock_sooner(2 * p->raise_after_ms, PMTU_RAISE_MAX_MS);
	}
}

void pmtu_init(struct pmtu *p, enum addr_family outer, unsigned longest, unsigned known)
{
	*p = (struct pmtu){ 0 };
	fill_sizes(p, outer, longest);
	pmtu_restart(p);
	while (p->known && p->sizes[p->known - 1] <= known)
		p->known--;
}

void pmtu_restart(struct pmtu *p)
{
	p->known = p->base;
	p->raise_after_ms = PMTU_RAISE_MS;
	search_from(p, 0);
}

unsigned pmtu_below(const struct pmtu *p, unsigned len)
{
	return len > p->sizes[p->base] ? p->sizes[p->base] : p->sizes[p->count - 1];
}

/* Packets of the size in use do not pass. */
static void fall(struct pmtu *p)
{
	unsigned lost = p->known;

	p->known = lost < p->base ? p->base : p->count - 1;
	p->raise_after_ms = PMTU_RAISE_MS;
	search_from(p, lost + 1);
}

/* The next shorter size, down to the one in use. */
static void probe_next(struct pmtu *p)
{
	if (p->probing == p->known)
		fall(p);
	else
		probe_size(p, p->probing + 1);
}

/* Returns whether a probe is under way, or to be. */
static bool begin(struct pmtu *p, bool in_use, uint64_t now_ms)
{
	if (!pmtu_settled(p))
		return true;
	if (now_ms >= p->raise_ms)
		search_from(p, 0);
	else if (in_use && p->known < p->count - 1 && now_ms >= p->confirmed_ms + PMTU_CONFIRM_MS)
		probe_size(p, p->known);
	return !pmtu_settled(p);
}

unsigned pmtu_check(struct pmtu *p, bool in_use, uint64_t now_ms)
{
	if (!begin(p, in_use, now_ms) || (p->tries && now_ms < p->probed_ms + PMTU_ANSWER_MS))
		return 0;
	if (p->tries >= PMTU_TRIES && p->short_passes)
		probe_next(p);
	if (p->probing == p->count - 1) { /* the last of all needs no probe */
		settle(p, now_ms);
		return 0;
	}
	p->tries++;
	p->probed_ms = now_ms;
	return p->sizes[p->probing];
}

void pmtu_short_answered(struct pmtu *p)
{
	p->short_passes = true;
}

void pmtu_answered(struct pmtu *p, unsigned len, uint64_t now_ms)
{
	unsigned which = 0;

	while (which < p->count && p->sizes[which] != len)
		which++;
	if (which > p->known || (which == p->known && which != p->probing))
		return;
	p->known = which;
	settle(p, now_ms);
}

void pmtu_reported(struct pmtu *p, bool arrive, uint64_t now_ms)
{
	bool first = !p->short_passes;

	p->short_passes = true;
	if (!first && arrive && p->probing == p->known)
		settle(p, now_ms);
}

void pmtu_refused(struct pmtu *p)
{
	if (p->known < p->count - 1)
		fall(p);
}

uint64_t pmtu_deadline(const struct pmtu *p, bool in_use)
{
	if (!pmtu_settled(p))
		return p->tries ? p->probed_ms + PMTU_ANSWER_MS : 0;
	if (in_use && p->known < p->count - 1)
		return clock_sooner(p->raise_ms, p->confirmed_ms + PMTU_CONFIRM_MS);
	return p->raise_ms;
}
