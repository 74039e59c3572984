/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded: a kernel that takes the offloads of a TUN device and then refuses every super-packet, as some vendors' do.
 * A write that begins with a virtio header of its own, and has a GSO type in it, is EINVAL.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

enum { HEADER_LEN = 10, GSO_TYPE_AT = 1 };

typedef ssize_t writev_fn(int fd, const struct iovec *parts, int n);

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	void *at = dlsym(RTLD_NEXT, "writev");
	writev_fn *next;

	memcpy(&next, &at, sizeof(next)); /* POSIX has it give functions as pointers to data */
	if (n > 1 && parts[0].iov_len == HEADER_LEN && ((const uint8_t *)parts[0].iov_base)[GSO_TYPE_AT]) {
		errno = EINVAL;
		return -1;
	}
	return next(fd, parts, n);
}
