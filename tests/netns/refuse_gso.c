/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded: a kernel that takes the offloads and then refuses to do them, as some vendors' do, or on the way that is
 * taken. A write to the TUN that begins with a virtio header of its own, and has a GSO type in it, is EINVAL; a send of
 * several datagrams (UDP_SEGMENT) is EIO.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { HEADER_LEN = 10, GSO_TYPE_AT = 1 };

typedef ssize_t writev_fn(int fd, const struct iovec *parts, int n);
typedef ssize_t sendmsg_fn(int fd, const struct msghdr *msg, int flags);

static ssize_t refuse(int why)
{
	errno = why;
	return -1;
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	void *at = dlsym(RTLD_NEXT, "writev");
	writev_fn *next;

	memcpy(&next, &at, sizeof(next)); /* POSIX has it give functions as pointers to data */
	if (n > 1 && parts[0].iov_len == HEADER_LEN && ((const uint8_t *)parts[0].iov_base)[GSO_TYPE_AT])
		return refuse(EINVAL);
	return next(fd, parts, n);
}

static bool is_to_be_cut(struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr copy = *msg;
	void *at = dlsym(RTLD_NEXT, "sendmsg");
	sendmsg_fn *next;

	memcpy(&next, &at, sizeof(next));
	return is_to_be_cut(&copy) ? refuse(EIO) : next(fd, msg, flags);
}
