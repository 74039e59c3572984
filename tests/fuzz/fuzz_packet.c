/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an inner packet: what passes must be consistent, and its destination the same either way. */
#include "fuzz.h"
#include "ip/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct packet p;
	struct addr dst;

	packet_dst(data, len, &dst);
	if (packet_parse(data, len, &p) != PASS)
		return 0;
	fuzz_check(p.data == data && p.len == len && p.l4_offset <= len);
	fuzz_check(p.src.family == data[0] >> 4 && p.dst.family == data[0] >> 4);
	fuzz_check(!p.quotes || (p.quoted_dst.family == p.dst.family && !p.fragment));
	fuzz_check(packet_dst(data, len, &dst) == PASS && addr_equal(&dst, &p.dst));
	return 0;
}
