/* SPDX-License-Identifier: BSD-3-Clause */
/* schema.h - the configuration file's keys as one table (schema.c), and the raw form the table is read into: what the
 * file says with every default filled in, each value with its line, names not yet looked up.
 *
 * Why the table is ours and read over libyaml's document, not libcyaml's (1.3.1): libcyaml stops at the first bad
 * value, so an operator would mend a file one mistake a run; it tells an unknown key's place as that of the value
 * before it; and it knows no defaults, units or bounds, so each duration would be a string to be read again without its
 * line. */
#pragma once
#include "control/config/prefixes.h"
#include "control/health/policy.h"
#include <stddef.h>
#include <switchback/addr.h>

/* What a value is, and the C type it is read into. */
enum sb_kind {
	SB_V_INT,      /* uint32_t, min..max */
	SB_V_TIME,     /* uint32_t in ms (or in the row's unit), min..max in ms */
	SB_V_MICROS,   /* uint32_t in microseconds, min..max; max is whole milliseconds */
	SB_V_MEMORY,   /* uint32_t in MB, min..max */
	SB_V_BOOL,     /* uint32_t 0 or 1 */
	SB_V_CHOICE,   /* uint32_t: index in choices */
	SB_V_NAME,     /* const char *, max characters */
	SB_V_TEXT,     /* const char *, printable ASCII, min..max characters */
	SB_V_PATH,     /* const char *, absolute, at most max characters */
	SB_V_URI,      /* const char *, a SIP URI of at most max characters, or empty */
	SB_V_PREFIX,   /* const char *, fewer than SB_PREFIX_MAX characters */
	SB_V_DOMAIN,   /* const char *, a host name or an IP address */
	SB_V_IP,       /* struct sb_addr, port 0 */
	SB_V_ENDPOINT, /* struct sb_addr */
	SB_V_IFADDR,   /* struct sb_net whose ip is an interface's own address */
	SB_V_NET,      /* struct sb_net, host bits zero */
	SB_V_CODES,    /* struct sb_status_set, codes min..max; a list or one scalar */
	SB_V_MAP,      /* the struct of the row's map */
	SB_V_LIST,     /* SB_LIST_OF what the row's list says, min..max entries */
};

struct sb_key {
	const char *name;
	enum sb_kind kind;
	bool required;
	uint32_t offset;
	uint32_t min, max, unit;
	const char *preset;  /* the default, as one would write it; NULL: 0, NULL or empty */
	const char *allowed; /* for messages; NULL: told by kind, min and max */
	union {
		const char *const *choices; /* NULL-terminated */
		const struct sb_map *map;
		const struct sb_list *list;
	};
};

#define SB_KEYS_MAX 15

struct sb_map {
	const struct sb_key *keys;
	uint32_t n;
	size_t size;
};

struct sb_list {
	struct sb_key item; /* read at offset item.offset of an entry */
	size_t size;        /* of an entry */
	size_t line;        /* offset of its uint32_t line */
};

/* First in every raw struct read from a mapping: the lines of the mapping and of each key's value, 0 if not given. */
struct sb_at {
	uint32_t line;
	uint32_t key[SB_KEYS_MAX];
};

#define SB_LIST_OF(type)                                                                                               \
	struct {                                                                                                       \
		type *list;                                                                                            \
		uint32_t n;                                                                                            \
	}

/* A list's entries that are scalars. */
struct sb_raw_number {
	uint32_t value, line;
};

struct sb_raw_name {
	const char *text;
	uint32_t line;
	uint32_t index; /* of what it names; set by the check */
};

struct sb_raw_net {
	struct sb_net net;
	uint32_t line;
};

typedef SB_LIST_OF(struct sb_raw_net) sb_raw_nets;

enum { K_CONTROL_SOCKET, K_CONTROL_LCORE, K_CONTROL_STATE_DIR, K_CONTROL_LOG_LEVEL, K_CONTROL_LOG_FORMAT };
struct sb_raw_control {
	struct sb_at at;
	const char *socket, *state_dir;
	uint32_t lcore, log_level, log_format;
};

enum { K_VLAN_ID, K_VLAN_ADDRESSES };
struct sb_raw_vlan {
	struct sb_at at;
	uint32_t id;
	sb_raw_nets addresses;
};

enum { K_PORT_NAME, K_PORT_DEVICE, K_PORT_TAP, K_PORT_MTU, K_PORT_ADDRESSES, K_PORT_VLANS };
struct sb_raw_port {
	struct sb_at at;
	const char *name, *device, *tap;
	uint32_t mtu;
	sb_raw_nets addresses;
	SB_LIST_OF(struct sb_raw_vlan) vlans;
};

enum { K_LISTENER_NAME, K_LISTENER_PORT, K_LISTENER_ADDRESS, K_LISTENER_UDP, K_LISTENER_TRUST };
struct sb_raw_listener {
	struct sb_at at;
	const char *name, *port;
	struct sb_addr address;
	uint32_t udp;
	sb_raw_nets trust;
	uint32_t port_index;
};

enum {
	K_PROBE_METHOD,
	K_PROBE_INTERVAL,
	K_PROBE_TIMEOUT,
	K_PROBE_FAILURES,
	K_PROBE_SUCCESSES,
	K_PROBE_MIN,
	K_PROBE_MAX,
	K_PROBE_UP_CODES,
	K_PROBE_DOWN_CODES,
	K_PROBE_FROM,
	K_PROBE_USER_AGENT
};
enum { PROBE_OPTIONS, PROBE_NONE };
struct sb_raw_probe {
	struct sb_at at;
	uint32_t method, interval, timeout, failures, successes, min, max;
	struct sb_status_set up_codes, down_codes;
	const char *from, *user_agent;
};

enum { K_TRAFFIC_FAILURES, K_TRAFFIC_WINDOW };
struct sb_raw_traffic {
	struct sb_at at;
	uint32_t failures, window;
};

enum {
	K_TRUNK_NAME,
	K_TRUNK_ADDRESS,
	K_TRUNK_LISTENER,
	K_TRUNK_TRYING_TIMER,
	K_TRUNK_INVITE_RETRIES,
	K_TRUNK_FAILOVER_ON,
	K_TRUNK_AFTER_RINGING,
	K_TRUNK_PROBE,
	K_TRUNK_TRAFFIC,
	K_TRUNK_RAMP
};
struct sb_raw_trunk {
	struct sb_at at;
	const char *name, *listener;
	struct sb_addr address;
	uint32_t trying_timer, invite_retries, failover_after_ringing, ramp;
	struct sb_status_set failover_on;
	struct sb_raw_probe probe;
	struct sb_raw_traffic traffic;
	uint32_t listener_index;
};

enum { K_MEMBER_TRUNK, K_MEMBER_PRIORITY, K_MEMBER_WEIGHT };
struct sb_raw_member {
	struct sb_at at;
	const char *trunk;
	uint32_t priority, weight;
	uint32_t trunk_index;
};

enum { K_GROUP_NAME, K_GROUP_MEMBERS, K_GROUP_FALLBACK };
struct sb_raw_group {
	struct sb_at at;
	const char *name;
	SB_LIST_OF(struct sb_raw_member) members;
	uint32_t fallback_interval;
};

/* The first four in the order of enum sb_route_kind. */
enum { K_ROUTE_PREFIX, K_ROUTE_DOMAIN, K_ROUTE_SOURCE, K_ROUTE_DEFAULT, K_ROUTE_FILE, K_ROUTE_GROUPS };
struct sb_raw_route {
	struct sb_at at;
	const char *prefix, *domain, *prefixes_file;
	struct sb_net source;
	uint32_t otherwise;
	SB_LIST_OF(struct sb_raw_name) groups;
	uint32_t kind;  /* enum sb_route_kind or K_ROUTE_FILE; set by the check */
	uint32_t first; /* of its prefixes, in the order of putting; set by the check */
};

enum { K_LIMITS_TRANSACTIONS, K_LIMITS_INVITE_RATE, K_LIMITS_RETRY_AFTER, K_LIMITS_OVERLOAD };
enum { OVERLOAD_OFF, OVERLOAD_SHED };
struct sb_raw_limits {
	struct sb_at at;
	uint32_t transactions, invite_rate_per_source, retry_after_s, overload;
};

enum { K_TIMERS_T1, K_TIMERS_T2, K_TIMERS_T4, K_TIMERS_C };
struct sb_raw_timers {
	struct sb_at at;
	uint32_t t1, t2, t4, timer_c;
};

enum {
	K_CONTROL,
	K_WORKERS,
	K_PARSER,
	K_HUGEPAGES,
	K_MEMORY,
	K_PORTS,
	K_LISTENERS,
	K_TRUNKS,
	K_GROUPS,
	K_ROUTES,
	K_LIMITS,
	K_TIMERS,
	K_LATE_2XX,
	K_IDLE,
	K_IDLE_LATENCY
};
enum { IDLE_POLL, IDLE_ADAPTIVE };
struct sb_raw {
	struct sb_at at;
	struct sb_raw_control control;
	SB_LIST_OF(struct sb_raw_number) workers;
	uint32_t parser, hugepages, memory_mb, late_2xx, idle, idle_latency_us;
	SB_LIST_OF(struct sb_raw_port) ports;
	SB_LIST_OF(struct sb_raw_listener) listeners;
	SB_LIST_OF(struct sb_raw_trunk) trunks;
	SB_LIST_OF(struct sb_raw_group) groups;
	SB_LIST_OF(struct sb_raw_route) routes;
	struct sb_raw_limits limits;
	struct sb_raw_timers timers;
	struct sb_prefixes prefixes; /* all of them; made by the check */
};

/* The whole file: a struct sb_raw. */
const struct sb_map *sb_schema(void);
/* The words for hugepages, by number. */
const char *sb_schema_hugepages(uint32_t choice);
