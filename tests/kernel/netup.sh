#!/bin/sh
# Builds the two network namespaces the programs run in, and the devices they name.
# Usage: netup.sh [up|down]     ZC_NS_A and ZC_NS_B name the namespaces (default zca and zcb).
#
#   A (programs run here)                           B (the peer of the veth pair)
#     lo   127.0.0.1, MTU 65536                       lo
#     va   10.77.0.1/24, MTU 1500 ------------------- vb 10.77.0.2/24
#     if0  10.78.0.1/24, MTU 1500   drops every packet when it is transmitted
#     if1  10.79.0.1/24, MTU 1500   the same behind an 80 kbit/s token bucket: a NIC that completes late
#     if2  10.80.0.1/24, MTU 65535  like if0, one datagram of any size is one packet
#
# if0, if1 and if2 are IFB devices that nothing is redirected to. They stand in for the dummy device,
# which not every kernel has. IPv6 is off so that neighbour discovery adds no packets of its own.
set -e

a=${ZC_NS_A:-zca}
b=${ZC_NS_B:-zcb}

down() {
  for ns in "$a" "$b"; do
    ip netns del "$ns" 2>/dev/null || true
  done
}

# device address/prefix [mtu]
ifb() {
  ip -n "$a" link add "$1" type ifb
  if [ -n "$3" ]; then ip -n "$a" link set "$1" mtu "$3"; fi
  ip -n "$a" addr add "$2" dev "$1"
  ip -n "$a" link set "$1" up arp off
}

up() {
  down
  for ns in "$a" "$b"; do
    ip netns add "$ns"
    ip netns exec "$ns" sh -c 'f=/proc/sys/net/ipv6/conf/all/disable_ipv6; [ ! -e $f ] || echo 1 >$f'
    ip netns exec "$ns" sysctl -qw net.ipv4.tcp_congestion_control=reno
    ip -n "$ns" link set lo up
  done

  ip link add va netns "$a" type veth peer name vb netns "$b"
  ip -n "$a" addr add 10.77.0.1/24 dev va
  ip -n "$b" addr add 10.77.0.2/24 dev vb
  ip -n "$a" link set va up
  ip -n "$b" link set vb up

  ifb if0 10.78.0.1/24
  tc -n "$a" qdisc replace dev if0 root noqueue
  ifb if1 10.79.0.1/24
  tc -n "$a" qdisc replace dev if1 root tbf rate 80kbit burst 1500 limit 100000
  ifb if2 10.80.0.1/24 65535
  tc -n "$a" qdisc replace dev if2 root noqueue
}

case ${1:-up} in
  up) up ;;
  down) down ;;
  *) echo "usage: netup.sh [up|down]" >&2; exit 2 ;;
esac
