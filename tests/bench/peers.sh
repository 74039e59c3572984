# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The tunnels that scripts/bench compares, each between the namespaces "client" and "gw" of tests/netns/lib.sh, over the
# cable 192.0.2.2 - 192.0.2.1, all with the same MTU inside. peer_up NAME leaves the gateway's inner address in $target.
# It returns 1 when the tunnel does not come up and 2 when it is not there, with the reason in $why. What it starts is
# ended by peer_down.

INNER_MTU=1400
QUEUE=1000                    # packets, of a TUN device
WG_SOCKETS=/var/run/wireguard # of the host, for wg and wireguard-go have no other place

peer_up()
{
	peer=$1 target='' why=''
	case $peer in
	veth) target=192.0.2.1 ;;
	relay-*) relay_up "${peer#*-}" ;;
	adit-*-evp) adit_up "$(cut -d- -f2 <<<"$peer")" evp ;;
	adit-*) adit_up "${peer#*-}" auto ;;
	openvpn-*) openvpn_up "${peer#*-}" ;;
	ocserv-*) ocserv_up "${peer#*-}" ;;
	wireguard-go) wireguard_up ;;
	esac
}

# Everything that runs in our namespaces is ours: of some peers a part outlives the process that was started.
peer_down()
{
	local ns pid
	stop_all
	for ns in gw client; do
		try 3 is_empty "$ns" || for pid in $(ip netns pids "$NS-$ns"); do
			kill -s KILL "$pid" 2>/dev/null
		done
	done
	rm -f "$WORK"/ocserv.pid "$WORK"/ocserv.sock* "$WG_SOCKETS"/wg[gc]$$.sock
	[[ ! -d $WG_SOCKETS ]] || rmdir --ignore-fail-on-non-empty "$WG_SOCKETS"
}

is_empty()
{
	[[ -z $(ip netns pids "$NS-$1") ]]
}

# not_there WHY / not_up WHY: for the last line of a peer's function
not_there()
{
	export why=$1
	return 2
}

not_up()
{
	export why=$1
	return 1
}

has_device()
{
	in_ns "$1" ip link show dev "$2"
}

answers()
{
	in_ns client ping -c 1 -W 1 "$1"
}

version_of()
{
	"$@" 2>&1 | grep -oE '[0-9]+[.][0-9.]+[0-9]' | head -n 1
}

# plug_tun NS DEVICE ADDRESS [LINK OPTION]...
plug_tun()
{
	in_ns "$1" ip link set dev "$2" mtu $INNER_MTU txqueuelen $QUEUE "${@:4}" up && in_ns "$1" ip addr add "$3" dev "$2"
}

# --- our own relay, which protects nothing ---

relay_up()
{
	local ns
	case $1 in
	udp)
		start relay-gw gw "$TOOLS/relay" udp relay0 192.0.2.1 192.0.2.2 7000
		start relay-client client "$TOOLS/relay" udp relay0 192.0.2.2 192.0.2.1 7000
		;;
	tcp)
		start relay-gw gw "$TOOLS/relay" listen relay0 192.0.2.1 7000
		try 5 listens gw tcp 7000 || not_up "does not listen" || return
		start relay-client client "$TOOLS/relay" connect relay0 192.0.2.1 7000
		;;
	esac
	for ns in gw client; do
		try 5 has_device $ns relay0 || not_up "no device" || return
	done
	# A super-packet fits one send with its header.
	plug_tun gw relay0 10.30.0.1/24 gso_max_size 62000
	plug_tun client relay0 10.30.0.2/24 gso_max_size 62000
	target=10.30.0.1
	try 5 answers $target || not_up "no answer"
}

# --- adit ---

# adit_up TRANSPORT AEAD
adit_up()
{
	local listen='( { address = "*"; port = 443; } )'
	[[ $1 != dtls ]] || listen='( { address = "*"; port = 443; datagrams = true; } )'
	server_config gw vpn.bench "listen=$listen" "aead=\"$2\"" "tunnel.mtu=$INNER_MTU"
	client_config alice alice 192.0.2.1:443 'trust.name="vpn.bench"' "transport=\"$1\"" "aead=\"$2\""
	start_adit gw gw server -c "$WORK/gw.conf"
	wait_event gw 10 event=ready >/dev/null || not_up "the gateway is not ready" || return
	start_adit alice client client -c "$WORK/alice.conf"
	wait_event alice 15 'event=up|session' >/dev/null || not_up "the client does not come up" || return
	try 10 adit_carries_by "$1" || not_up "packets do not go by $1" || return
	say note "$peer" "$(version_of "$ADIT" version), $(ctl gw status --json | json_field aead)"
	target=10.20.0.1
	try 5 answers $target || not_up "no answer"
}

adit_carries_by()
{
	[[ $(ctl alice sessions --json | json_field 0/transport) = "$1" ]]
}

# What adit itself has dropped at both ends, but for what kernels say by themselves
adit_losses()
{
	local label
	for label in gw alice; do
		ctl $label status --json
	done | perl -MJSON::XS -e 'local $/; my $sum = 0;
		for my $status (JSON::XS->new->incr_parse(scalar <STDIN>)) {
			for my $way (map { $status->{counters}{$_} } qw(egress ingress)) {
				$sum += $way->{$_} for grep { /^drop_/ && !/link_local|multicast/ } keys %$way;
			}
		}
		print "$sum\n"'
}

# --- OpenVPN, as its guide for fast links says ---

openvpn_up()
{
	local common gateway=() client=()
	command -v openvpn >/dev/null || not_there "not installed" || return
	common=(--dev ovpn0 --dev-type tun --topology subnet --tun-mtu "$INNER_MTU" --txqueuelen "$QUEUE" --sndbuf 0 --rcvbuf 0
		--data-ciphers AES-128-GCM --disable-dco --ca "$PKI/ca.crt" --verb 3)
	case $1 in
	udp)
		gateway=(--proto udp --fast-io)
		client=(--proto udp --fast-io)
		;;
	tcp)
		gateway=(--proto tcp-server --socket-flags TCP_NODELAY)
		client=(--proto tcp-client --socket-flags TCP_NODELAY)
		;;
	esac
	start openvpn-gw gw openvpn "${common[@]}" "${gateway[@]}" --port 1194 --server 10.8.0.0 255.255.255.0 --dh none \
		--cert "$PKI/issued/vpn.bench.crt" --key "$PKI/private/vpn.bench.key"
	try 10 listens gw "$1" 1194 || not_up "does not listen" || return
	start openvpn-client client openvpn "${common[@]}" "${client[@]}" --client --nobind --remote 192.0.2.1 1194 \
		--cert "$PKI/issued/alice.crt" --key "$PKI/private/alice.key" --remote-cert-tls server
	say note "$peer" "$(version_of openvpn --version), AES-128-GCM"
	target=10.8.0.1
	try 15 answers $target || not_up "no answer"
}

# --- ocserv with openconnect ---

ocserv_up()
{
	local options=()
	command -v ocserv >/dev/null && command -v openconnect >/dev/null || not_there "not installed" || return
	[[ $1 = dtls ]] || options=(--no-dtls)
	write_ocserv_config
	start ocserv gw ocserv -f -c "$WORK/ocserv.conf"
	try 5 listens gw tcp 443 || not_up "does not listen" || return
	: >"$WORK/openconnect.log"
	start openconnect client openconnect --non-inter --cafile "$PKI/ca.crt" --resolve vpn.bench:192.0.2.1 -i oct0 \
		-m $INNER_MTU -c "$PKI/issued/alice.crt" -k "$PKI/private/alice.key" "${options[@]}" https://vpn.bench/
	target=10.88.0.1
	try 15 answers $target || not_up "no answer" || return
	in_ns client ip link set dev oct0 txqueuelen $QUEUE
	in_ns gw ip link set dev vpnt0 txqueuelen $QUEUE
	[[ $1 = tls ]] || said openconnect 'Established DTLS connection' || not_up "no DTLS" || return
	say note "$peer" "$(version_of ocserv --version), $(openconnect_suite)"
}

# The newest of those that it names: that of DTLS, if there is such
openconnect_suite()
{
	sed -n 's/.*iphersuite \(.*)\).*/\1/p' "$WORK/openconnect.log" | tail -n 1
}

write_ocserv_config()
{
	ocserv_config vpn.bench 'udp-port = 443' 'route = 10.88.0.0/24' 'ipv4-network = 10.88.0.0/24' \
		"mtu = $INNER_MTU" 'output-buffer = 1000' 'rekey-time = 86400' 'cookie-timeout = 60'
}

# --- WireGuard in user space; WIREGUARD_GO= names another one ---

wireguard_up()
{
	local program=${WIREGUARD_GO:-wireguard-go} ns
	command -v "$program" >/dev/null || not_there "not installed" || return
	command -v wg >/dev/null || not_there "no wg: it is in the package wireguard-tools" || return
	# Named so, for their control sockets lie beside those of others.
	local -A device=([gw]="wgg$$" [client]="wgc$$") port=([gw]=7001 [client]=7002) address=([gw]=1 [client]=2)
	local -A other=([gw]=client [client]=gw)
	for ns in gw client; do
		start "wireguard-$ns" $ns "$program" -f "${device[$ns]}"
		(umask 077 && wg genkey >"$WORK/wg-$ns.key")
	done
	for ns in gw client; do
		try 5 has_device $ns "${device[$ns]}" || not_up "no device" || return
		try 5 in_ns $ns wg set "${device[$ns]}" listen-port "${port[$ns]}" private-key "$WORK/wg-$ns.key" \
			peer "$(wg pubkey <"$WORK/wg-${other[$ns]}.key")" allowed-ips 10.7.0.0/24 \
			endpoint "192.0.2.${address[${other[$ns]}]}:${port[${other[$ns]}]}" || not_up "wg set" || return
		plug_tun $ns "${device[$ns]}" "10.7.0.${address[$ns]}/24"
	done
	say note "$peer" "$(version_of "$program" --version)"
	target=10.7.0.1
	try 5 answers $target || not_up "no answer"
}
