/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, listeners and trunks: what has an address. */
#include "control/config/check.h"
#include "control/config/value.h"

/* One address of a port or of a VLAN on it, wherever it stands in the file. */
struct place {
	const struct sb_raw_net *net;
	uint32_t port, vlan, i; /* vlan: index + 1, 0 the port itself */
};

static uint32_t places_of(const struct sb_raw *raw, struct place *out, uint32_t room)
{
	uint32_t n = 0;
	for (uint32_t p = 0; p < raw->ports.n; p++) {
		const struct sb_raw_port *port = &raw->ports.list[p];
		for (uint32_t v = 0; v <= port->vlans.n; v++) {
			const sb_raw_nets *nets = v ? &port->vlans.list[v - 1].addresses : &port->addresses;
			for (uint32_t i = 0; i < nets->n && n < room; i++) {
				if (nets->list[i].net.family)
					out[n++] = (struct place){&nets->list[i], p, v, i};
			}
		}
	}
	return n;
}

#define PLACES_MAX (SB_PORTS_MAX * (SB_VLANS_MAX + 1) * SB_ADDRESSES_MAX)
#define PLACE_TEXT 64

static void place_text(const struct place *p, char out[PLACE_TEXT])
{
	if (p->vlan)
		snprintf(out, PLACE_TEXT, "ports[%u].vlans[%u].addresses[%u]", p->port, p->vlan - 1, p->i);
	else
		snprintf(out, PLACE_TEXT, "ports[%u].addresses[%u]", p->port, p->i);
}

static void ip_text(const struct sb_addr *a, char out[INET6_ADDRSTRLEN])
{
	inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->ip, out, INET6_ADDRSTRLEN);
}

static void check_addresses(struct sb_check *c)
{
	struct place place[PLACES_MAX];
	uint32_t n = places_of(c->raw, place, PLACES_MAX);
	for (uint32_t i = 0; i < n; i++) {
		const struct sb_net *a = &place[i].net->net;
		const struct sb_raw_port *port = &c->raw->ports.list[place[i].port];
		char path[PLACE_TEXT], first[PLACE_TEXT];
		place_text(&place[i], path);
		if (a->family == 6 && port->mtu < 1280)
			sb_mistake(c->m, place[i].net->line,
			        "%s: IPv6 needs an mtu of 1280, the port has %u, allowed: IPv4", path, port->mtu);
		for (uint32_t j = 0; j < i; j++) {
			const struct sb_net *b = &place[j].net->net;
			if (a->family != b->family || memcmp(a->ip, b->ip, 16) != 0)
				continue;
			place_text(&place[j], first);
			sb_mistake(c->m, place[i].net->line,
			        "%s: is the address of %s too, allowed: an address of its own", path, first);
			break;
		}
	}
}

static void check_vlans(struct sb_check *c, const struct sb_raw_port *port, uint32_t p)
{
	for (uint32_t i = 0; i < port->vlans.n; i++) {
		const struct sb_raw_vlan *v = &port->vlans.list[i];
		for (uint32_t j = 0; j < i && v->id; j++) {
			if (port->vlans.list[j].id == v->id) {
				sb_mistake(c->m, v->at.key[K_VLAN_ID],
				        "ports[%u].vlans[%u].id: %u is the id of vlans[%u] too, allowed: "
				        "an id for each VLAN of a port",
				        p, i, v->id, j);
				break;
			}
		}
	}
}

/* The twin's name where none is given: "sb-" and the port's, which must be a name the kernel takes. */
static void twin_name(const struct sb_raw_port *p, char out[SB_NAME_MAX + 4])
{
	if (p->tap)
		snprintf(out, SB_NAME_MAX + 4, "%s", p->tap);
	else
		snprintf(out, SB_NAME_MAX + 4, "sb-%s", p->name ? p->name : "");
}

static void check_twins(struct sb_check *c, uint32_t i)
{
	const struct sb_raw_port *a = &c->raw->ports.list[i];
	char mine[SB_NAME_MAX + 4], other[SB_NAME_MAX + 4];
	twin_name(a, mine);
	if (!a->tap && strlen(mine) > 15)
		sb_mistake(c->m, a->at.line,
		        "ports[%u].tap: is missing, and \"%s\" is too long for one, allowed: 1 to 15 letters, "
		        "digits, '.', '_' or '-'",
		        i, mine);
	for (uint32_t j = 0; j < i; j++) {
		const struct sb_raw_port *b = &c->raw->ports.list[j];
		twin_name(b, other);
		if (a->name && b->name && strcmp(mine, other) == 0 && strcmp(a->name, b->name) != 0)
			sb_mistake(c->m, a->at.key[K_PORT_TAP] ? a->at.key[K_PORT_TAP] : a->at.line,
			        "ports[%u].tap: \"%s\" is the tap of ports[%u] too, allowed: a tap for each port", i,
			        mine, j);
		if (a->device && b->device && strcmp(a->device, b->device) == 0)
			sb_mistake(c->m, a->at.key[K_PORT_DEVICE],
			        "ports[%u].device: is the device of ports[%u] too, allowed: a device for each port", i,
			        j);
	}
}

void sb_check_ports(struct sb_check *c)
{
	for (uint32_t i = 0; i < c->raw->ports.n; i++) {
		const struct sb_raw_port *p = &c->raw->ports.list[i];
		sb_check_unique(c, &c->ports, "port", p->name, i, p->at.key[K_PORT_NAME]);
		check_vlans(c, p, i);
		check_twins(c, i);
	}
	check_addresses(c);
}

/* "192.0.2.10, 2001:db8::10": what a listener on the port may have; a port with many ends in "...". */
static void addresses_text(const struct sb_raw *raw, uint32_t port, char out[256])
{
	struct place place[PLACES_MAX];
	uint32_t n = places_of(raw, place, PLACES_MAX);
	size_t len = 0;
	snprintf(out, 256, "nothing, the port has no address");
	for (uint32_t i = 0; i < n; i++) {
		char ip[INET6_ADDRSTRLEN];
		if (place[i].port != port)
			continue;
		struct sb_addr a = {.family = place[i].net->net.family};
		memcpy(a.ip, place[i].net->net.ip, 16);
		ip_text(&a, ip);
		if (len > 256 - INET6_ADDRSTRLEN - 8) {
			snprintf(out + len, 256 - len, ", ...");
			return;
		}
		len += (size_t)snprintf(out + len, 256 - len, "%s%s", len ? ", " : "", ip);
	}
}

static void check_listener_address(struct sb_check *c, const struct sb_raw_listener *l, uint32_t index)
{
	struct place place[PLACES_MAX];
	uint32_t n = places_of(c->raw, place, PLACES_MAX);
	char ip[INET6_ADDRSTRLEN], allowed[256];
	for (uint32_t i = 0; i < n; i++) {
		const struct sb_net *net = &place[i].net->net;
		if (place[i].port == l->port_index && net->family == l->address.family &&
		        memcmp(net->ip, l->address.ip, 16) == 0)
			return;
	}
	ip_text(&l->address, ip);
	addresses_text(c->raw, l->port_index, allowed);
	sb_mistake(c->m, l->at.key[K_LISTENER_ADDRESS],
	        "listeners[%u].address: %s is not an address of port \"%s\", allowed: %s", index, ip, l->port, allowed);
}

void sb_check_listeners(struct sb_check *c)
{
	struct sb_raw *raw = c->raw;
	for (uint32_t i = 0; i < raw->listeners.n; i++) {
		struct sb_raw_listener *l = &raw->listeners.list[i];
		char path[40];
		sb_check_unique(c, &c->listeners, "listener", l->name, i, l->at.key[K_LISTENER_NAME]);
		snprintf(path, sizeof path, "listeners[%u].port", i);
		l->port_index = sb_check_name(c, &c->ports, "port", l->port, l->at.key[K_LISTENER_PORT], path);
		if (l->port_index != SB_NAME_NONE && l->address.family)
			check_listener_address(c, l, i);
		for (uint32_t j = 0; j < i && l->address.family; j++) {
			if (!sb_addr_same_ip(&l->address, &raw->listeners.list[j].address) ||
			        l->udp != raw->listeners.list[j].udp)
				continue;
			sb_mistake(c->m, l->at.key[K_LISTENER_ADDRESS],
			        "listeners[%u].address: listeners[%u] has the same address and "
			        "udp port, allowed: a pair for each listener",
			        i, j);
			break;
		}
	}
}

static void check_probe(struct sb_check *c, const struct sb_raw_probe *p, uint32_t trunk)
{
	if (p->method == PROBE_NONE)
		return;
	char min[SB_TIME_TEXT_MAX], max[SB_TIME_TEXT_MAX];
	sb_value_time(p->min, min);
	sb_value_time(p->max, max);
	if (p->min > p->max)
		sb_mistake(c->m, p->at.key[p->at.key[K_PROBE_MIN] ? K_PROBE_MIN : K_PROBE_MAX],
		        "trunks[%u].probe.min: %s is longer than max, allowed: %s or shorter", trunk, min, max);
	for (unsigned code = 100; code < 700; code++) {
		if (!sb_status_in(&p->up_codes, code) || !sb_status_in(&p->down_codes, code))
			continue;
		sb_mistake(c->m, p->at.key[p->at.key[K_PROBE_DOWN_CODES] ? K_PROBE_DOWN_CODES : K_PROBE_UP_CODES],
		        "trunks[%u].probe.down_codes: %u is in up_codes too, allowed: each code in one of them", trunk,
		        code);
		break;
	}
}

/* a * (2^n - 1) (S4.2): a trunk that may hold a call for a day is a mistake, and must not overflow anything. */
static void check_formula(struct sb_check *c, const struct sb_raw_trunk *t, uint32_t i)
{
	uint64_t total = (uint64_t)t->trying_timer * ((2ull << t->invite_retries) - 1);
	if (total >= 24 * 3600 * 1000ull)
		sb_mistake(c->m,
		        t->at.key[t->at.key[K_TRUNK_TRYING_TIMER] ? K_TRUNK_TRYING_TIMER : K_TRUNK_INVITE_RETRIES],
		        "trunks[%u].trying_timer: with invite_retries %u the trunk would be given up after %lluh, "
		        "allowed: less "
		        "than 24h",
		        i, t->invite_retries, (unsigned long long)total / 3600000);
}

static void check_trunk_address(struct sb_check *c, const struct sb_raw_trunk *t, uint32_t i)
{
	const struct sb_raw *raw = c->raw;
	for (uint32_t j = 0; j < raw->listeners.n; j++) {
		const struct sb_raw_listener *l = &raw->listeners.list[j];
		if (sb_addr_same_ip(&t->address, &l->address) && t->address.port == l->udp)
			sb_mistake(c->m, t->at.key[K_TRUNK_ADDRESS],
			        "trunks[%u].address: is our own listeners[%u], allowed: the address of another host", i,
			        j);
	}
	if (t->listener_index == SB_NAME_NONE)
		return;
	const struct sb_raw_listener *l = &raw->listeners.list[t->listener_index];
	if (l->address.family && l->address.family != t->address.family)
		sb_mistake(c->m, t->at.key[K_TRUNK_LISTENER],
		        "trunks[%u].listener: \"%s\" is IPv%u and the trunk's address is IPv%u, allowed: a listener of "
		        "the same "
		        "family",
		        i, t->listener, l->address.family, t->address.family);
}

void sb_check_trunks(struct sb_check *c)
{
	for (uint32_t i = 0; i < c->raw->trunks.n; i++) {
		struct sb_raw_trunk *t = &c->raw->trunks.list[i];
		char path[40];
		sb_check_unique(c, &c->trunks, "trunk", t->name, i, t->at.key[K_TRUNK_NAME]);
		snprintf(path, sizeof path, "trunks[%u].listener", i);
		t->listener_index =
		        sb_check_name(c, &c->listeners, "listener", t->listener, t->at.key[K_TRUNK_LISTENER], path);
		if (t->address.family)
			check_trunk_address(c, t, i);
		check_formula(c, t, i);
		check_probe(c, &t->probe, i);
		if (t->traffic.failures > t->traffic.window)
			sb_mistake(c->m,
			        t->traffic.at.key[t->traffic.at.key[K_TRAFFIC_FAILURES] ? K_TRAFFIC_FAILURES
			                                                                : K_TRAFFIC_WINDOW],
			        "trunks[%u].traffic.failures: %u cannot be among the last %u, allowed: 1 to %u", i,
			        t->traffic.failures, t->traffic.window, t->traffic.window);
	}
}
