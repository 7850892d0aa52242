/* SPDX-License-Identifier: BSD-3-Clause */
/* underlay.h - the kernel's own interface beneath a port of net_af_packet, net_af_xdp or net_pcap. It sees a copy of
 * what the port receives, and the addresses on the TAP twin are its host's too: left alone it would answer ARP, ping
 * and SIP a second time (with "port unreachable"). While we use it, it is told to keep quiet, and for net_af_xdp to
 * leave VLAN tags in their frames. Owner: control. Lifetime: from start to stop; what was set is put back at the end.
 */
#pragma once
#include <switchback/err.h>
#include <stdbool.h>
#include <stdint.h>

#define SB_UNDERLAY_SETTINGS 3

struct sb_underlay {
	char name[16];                    /* "" the port has none */
	int before[SB_UNDERLAY_SETTINGS]; /* values to put back; -1 unknown or unchanged */
	bool rx_vlan;                     /* it took VLAN tags out before, and no longer does */
	bool loses_tags; /* it cannot be told to leave them: frames of every VLAN come in as untagged */
};

/* device: DPDK devargs; those without an interface have no underlay and are left alone. 0 or SB_E_IO; why: one line. */
int sb_underlay_quiet(const char *device, struct sb_underlay *u, char why[256]);
void sb_underlay_restore(struct sb_underlay *u);
