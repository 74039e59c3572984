/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a stream of frames in either format: what is read must come back from our own encoder. */
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "wire/frame.h"

static void check_stream(enum frame_format format, const uint8_t *data, size_t len)
{
	uint8_t header[FRAME_HEADER_LEN];
	struct frame f;
	int r;

	while ((r = frame_decode(format, data, len, &f)) > 0) {
		fuzz_check((size_t)r <= len && (size_t)r == FRAME_HEADER_LEN + f.len);
		fuzz_check(f.payload == data + FRAME_HEADER_LEN);
		fuzz_check((format == FRAME_FORMAT_ADIT && f.kind == FRAME_DATA) || (!f.flags && !f.gso_size));
		if (f.flags || f.gso_size)
			frame_encode_data(f.flags, f.gso_size, f.len, header);
		else
			frame_encode_header(format, f.kind, f.len, header);
		fuzz_check(!memcmp(header, data, sizeof(header)));
		data += r;
		len -= (size_t)r;
	}
	fuzz_check(r == ERR_SHORT || r == ERR_PROTO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check_stream(FRAME_FORMAT_CSTP, data, len);
	check_stream(FRAME_FORMAT_ADIT, data, len);
	return 0;
}
