/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the drop counters. */
#include "base/verdict.h"

#include <assert.h>

static const char *const names[] = {
	[PASS] = "packets",
	[DROP_SHORT] = "drop_short",
	[DROP_VERSION] = "drop_version",
	[DROP_HEADER] = "drop_header",
	[DROP_LENGTH] = "drop_length",
	[DROP_SOURCE_ROUTE] = "drop_source_route",
	[DROP_ROUTING_HEADER] = "drop_routing_header",
	[DROP_LINK_LOCAL] = "drop_link_local",
	[DROP_MULTICAST] = "drop_multicast",
	[DROP_LOOPBACK] = "drop_loopback",
	[DROP_OFFLOAD] = "drop_offload",
	[DROP_OFFLOAD_FIELDS] = "drop_offload_fields",
	[DROP_HEADER_CHECKSUM] = "drop_header_checksum",
	[DROP_SOURCE] = "drop_source",
	[DROP_DESTINATION] = "drop_destination",
	[DROP_ICMP_QUOTE] = "drop_icmp_quote",
	[DROP_CLIENT_TO_CLIENT] = "drop_client_to_client",
	[DROP_NO_SESSION] = "drop_no_session",
	[DROP_QUEUE] = "drop_queue",
	[DROP_TOO_BIG] = "drop_too_big",
	[DROP_TUN_WRITE] = "drop_tun_write",
	[DROP_FRAME_UNKNOWN] = "drop_frame_unknown",
	[DROP_RECORD] = "drop_record",
	[DROP_EPOCH] = "drop_epoch",
	[DROP_REPLAY] = "drop_replay",
	[DROP_TAG] = "drop_tag",
	[DROP_HELLO] = "drop_hello",
	[DROP_COOKIE] = "drop_cookie",
	[DROP_APP_ID] = "drop_app_id",
	[DROP_STRAY] = "drop_stray",
	[DROP_SEND] = "drop_send",
};
static_assert(sizeof(names) / sizeof(names[0]) == VERDICTS, "a name for every verdict");

const char *verdict_name(enum verdict v)
{
	return names[v];
}
