/* SPDX-License-Identifier: Apache-2.0 */
/* The replay window of one generation's datagrams. */
#include "wire/replay.h"

enum { WORD_BITS = 64 };

static unsigned word_of(uint64_t number)
{
	return (unsigned)(number / WORD_BITS % REPLAY_WORDS);
}

static uint64_t bit_of(uint64_t number)
{
	return UINT64_C(1) << number % WORD_BITS;
}

/* The words that the window enters hold numbers of long ago. */
static void move_to(struct replay *r, uint64_t number)
{
	uint64_t last = number / WORD_BITS, word = (r->next + WORD_BITS - 1) / WORD_BITS;

	if (last >= word + REPLAY_WORDS)
		word = last - REPLAY_WORDS + 1;
	for (; word <= last; word++)
		r->seen[word % REPLAY_WORDS] = 0;
	r->next = number + 1;
}

bool replay_fresh(const struct replay *r, uint64_t number)
{
	if (number >= r->next)
		return true;
	if (r->next - number > REPLAY_WINDOW)
		return false;
	return !(r->seen[word_of(number)] & bit_of(number));
}

void replay_mark(struct replay *r, uint64_t number)
{
	if (number >= r->next)
		move_to(r, number);
	r->seen[word_of(number)] |= bit_of(number);
}
