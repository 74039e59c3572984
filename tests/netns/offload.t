#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The kernel's own segmentation is the reference for ours: the same super-packets go through both.
#
#   offload_probe --write--> in [ host, routes ] out --read--> offload_probe
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
OFFLOAD_PROBE=$(realpath -m "${OFFLOAD_PROBE:-$repo/build/netns/offload_probe}")
[[ -x $OFFLOAD_PROBE ]] || bail_out "$OFFLOAD_PROBE is not built"

make_ns host
ip -n "$NS-host" -batch - <<-END
	tuntap add dev in mode tun vnet_hdr
	tuntap add dev out mode tun vnet_hdr
	link set in addrgenmode none up
	link set out addrgenmode none up
	route add 10.1.0.0/16 dev in
	route add 10.2.0.0/16 dev out
	route add fd01::/64 dev in
	route add fd02::/64 dev out
END
in_ns host sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
	net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.in.rp_filter=0

check "the kernel cuts super-packets as we do" in_ns host "$OFFLOAD_PROBE" segment in out
check "what the kernel hands over is understood" in_ns host "$OFFLOAD_PROBE" read in out
check "what we merge the kernel cuts into the same packets" in_ns host "$OFFLOAD_PROBE" coalesce in out
check "the kernel finishes the checksums we leave to it" in_ns host "$OFFLOAD_PROBE" partial in out
done_testing
