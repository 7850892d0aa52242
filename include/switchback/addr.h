/* SPDX-License-Identifier: BSD-3-Clause */
/* addr.h - a UDP endpoint and an IP network, IPv4 or IPv6, as both planes pass them about. */
#pragma once
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* IPv4 stands in ip[0..3], the rest zero, so that memcmp compares. port in host order. family 4, 6 or 0 (none). */
struct sb_addr {
	uint8_t ip[16];
	uint16_t port;
	uint8_t family;
	uint8_t zero;
};
_Static_assert(sizeof(struct sb_addr) == 20, "compared and hashed as bytes: no padding");

/* Sets the port. What stands behind ip is written as the one word that copies of an address read: a copy right behind
 * smaller stores would have to wait for them. */
static inline void sb_addr_set_port(struct sb_addr *a, uint16_t port)
{
	struct sb_addr_tail {
		uint16_t port;
		uint8_t family, zero;
	} tail = {port, a->family, 0};
	memcpy((char *)a + 16, &tail, sizeof tail);
}

/* A network: the first bits of ip count. */
struct sb_net {
	uint8_t ip[16];
	uint8_t family;
	uint8_t bits;
};

#define SB_ADDR_TEXT_MAX 56 /* "[" v6 "]:65535" and the NUL */

static inline bool sb_addr_eq(const struct sb_addr *a, const struct sb_addr *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static inline bool sb_addr_same_ip(const struct sb_addr *a, const struct sb_addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, 16) == 0;
}

/* Four numbers to 255 without leading zeros, as inet_pton takes them. False: not that. */
static inline bool sb_addr_parse_ip4(const char *text, size_t len, uint8_t ip[4])
{
	size_t at = 0;
	for (unsigned part = 0; part < 4; part++) {
		unsigned v = 0, digits = 0;
		if (part && (at >= len || text[at++] != '.'))
			return false;
		for (; at < len && (uint8_t)(text[at] - '0') < 10; at++, digits++)
			v = v * 10 + (unsigned)(text[at] - '0');
		if (digits == 0 || digits > 3 || v > 255 || (digits > 1 && text[at - digits] == '0'))
			return false;
		ip[part] = (uint8_t)v;
	}
	return at == len;
}

/* Reads an IP address of len bytes without port or brackets. 0 or -2 (SB_E_INVAL); *a keeps its port. */
static inline int sb_addr_parse_ip(const char *text, size_t len, struct sb_addr *a)
{
	char buf[INET6_ADDRSTRLEN];
	if (sb_addr_parse_ip4(text, len, a->ip)) {
		memset(a->ip + 4, 0, 12);
		a->family = 4;
		a->zero = 0;
		return 0;
	}
	if (len >= sizeof buf)
		return -2;
	memcpy(buf, text, len);
	buf[len] = 0;
	memset(a->ip, 0, 16);
	a->zero = 0;
	if (inet_pton(AF_INET6, buf, a->ip) == 1)
		a->family = 6;
	else
		return -2;
	return 0;
}

/* Reads "1.2.3.4", "1.2.3.4:5060", "2001:db8::1" or "[2001:db8::1]:5060". A missing port is default_port. 0 or -2. */
static inline int sb_addr_parse(const char *text, uint16_t default_port, struct sb_addr *a)
{
	const char *host = text, *end = text + strlen(text), *port = NULL;
	memset(a, 0, sizeof *a);
	if (*text == '[') {
		host = text + 1;
		end = strchr(host, ']');
		if (!end)
			return -2;
		if (end[1] == ':')
			port = end + 2;
		else if (end[1])
			return -2;
	} else {
		const char *colon = strchr(text, ':');
		if (colon && !strchr(colon + 1, ':')) {
			end = colon;
			port = colon + 1;
		}
	}
	a->port = default_port;
	if (port) {
		char *rest;
		unsigned long v = strtoul(port, &rest, 10);
		if (*port < '0' || *port > '9' || *rest || v > 65535)
			return -2;
		a->port = (uint16_t)v;
	}
	return sb_addr_parse_ip(host, (size_t)(end - host), a);
}

/* Writes "1.2.3.4:5060" or "[2001:db8::1]:5060" (the Via sent-by form); returns the length. */
static inline int sb_addr_format(const struct sb_addr *a, char out[SB_ADDR_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "?";
	inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->ip, ip, sizeof ip);
	return snprintf(out, SB_ADDR_TEXT_MAX, a->family == 6 ? "[%s]:%u" : "%s:%u", ip, a->port);
}

static inline bool sb_net_has(const struct sb_net *n, const struct sb_addr *a)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;
	if (n->family == 4 && a->family == 4) { /* as numbers: who may call is asked for every call */
		uint32_t net, ip;
		memcpy(&net, n->ip, 4);
		memcpy(&ip, a->ip, 4);
		return n->bits == 0 || ntohl(net ^ ip) >> (32 - n->bits) == 0;
	}
	if (n->family != a->family || memcmp(n->ip, a->ip, whole) != 0)
		return false;
	return rest == 0 || ((n->ip[whole] ^ a->ip[whole]) >> (8 - rest)) == 0;
}

/* Reads "10.0.0.0/8", "2001:db8::/32" or a bare address (all bits). 0 or -2. */
static inline int sb_net_parse(const char *text, struct sb_net *n)
{
	struct sb_addr a = {0};
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	if (sb_addr_parse_ip(text, len, &a))
		return -2;
	unsigned long max = a.family == 4 ? 32 : 128, bits = max;
	if (slash) {
		char *rest;
		bits = strtoul(slash + 1, &rest, 10);
		if (slash[1] < '0' || slash[1] > '9' || *rest || bits > max)
			return -2;
	}
	memcpy(n->ip, a.ip, 16);
	n->family = a.family;
	n->bits = (uint8_t)bits;
	return 0;
}
