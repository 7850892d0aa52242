/* SPDX-License-Identifier: BSD-3-Clause */
/* Each row: the key, its kind, where it goes, bounds and default. What one row alone cannot judge is in check*.c. */
#include "control/config/schema.h"
#include "control/config/config.h"

#define HOUR 3600000u
#define DAY  (24 * HOUR)

#define COUNT(rows)         (sizeof(rows) / sizeof *(rows))
#define MAP(id, rows, type) static const struct sb_map id = {rows, COUNT(rows), sizeof(type)}
#define AT(type, field)     .offset = offsetof(struct type, field)
/* A list of mappings; a list of scalars in field of type. */
#define MAPS(id, map_id, type)                                                                                         \
	static const struct sb_list id = {                                                                             \
	        {NULL, SB_V_MAP, .map = &map_id}, sizeof(struct type), offsetof(struct type, at.line)}
#define SCALARS(id, type, field, ...)                                                                                  \
	static const struct sb_list id = {                                                                             \
	        {NULL, __VA_ARGS__, AT(type, field)}, sizeof(struct type), offsetof(struct type, line)}

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const formats[] = {"logfmt", "json", NULL};
static const char *const parsers[] = {"auto", "osip", NULL};
static const char *const hugepages[] = {"auto", "yes", "no", NULL};
static const char *const idle[] = {"poll", "adaptive", NULL};
static const char *const overload[] = {"off", "shed", NULL};
static const char *const late_2xx[] = {"forward", "bye", NULL};
static const char *const methods[] = {"OPTIONS", "none", NULL};

SCALARS(cpus, sb_raw_number, value, SB_V_INT, .max = 1023);
SCALARS(interface_addresses, sb_raw_net, net, SB_V_IFADDR);
SCALARS(networks, sb_raw_net, net, SB_V_NET);
SCALARS(group_names, sb_raw_name, text, SB_V_NAME, .max = SB_NAME_MAX - 1);

static const struct sb_key control_keys[] = {
        [K_CONTROL_SOCKET] = {"socket", SB_V_PATH, AT(sb_raw_control, socket), .max = 107,
                .preset = "/run/switchback/control.sock"},
        [K_CONTROL_LCORE] = {"lcore", SB_V_INT, AT(sb_raw_control, lcore), .max = 1023, .preset = "0"},
        [K_CONTROL_STATE_DIR] = {"state_dir", SB_V_PATH, AT(sb_raw_control, state_dir), .max = 255,
                .preset = "/var/lib/switchback"},
        [K_CONTROL_LOG_LEVEL] = {"log_level", SB_V_CHOICE, AT(sb_raw_control, log_level), .preset = "info",
                .choices = levels},
        [K_CONTROL_LOG_FORMAT] = {"log_format", SB_V_CHOICE, AT(sb_raw_control, log_format), .preset = "logfmt",
                .choices = formats},
};
MAP(control, control_keys, struct sb_raw_control);

static const struct sb_key vlan_keys[] = {
        [K_VLAN_ID] = {"id", SB_V_INT, .required = true, AT(sb_raw_vlan, id), .min = 1, .max = 4094},
        [K_VLAN_ADDRESSES] = {"addresses", SB_V_LIST, .required = true, AT(sb_raw_vlan, addresses), .min = 1,
                .max = SB_ADDRESSES_MAX, .list = &interface_addresses},
};
MAP(vlan, vlan_keys, struct sb_raw_vlan);
MAPS(vlans, vlan, sb_raw_vlan);

static const struct sb_key port_keys[] = {
        [K_PORT_NAME] = {"name", SB_V_NAME, .required = true, AT(sb_raw_port, name), .max = SB_NAME_MAX - 1},
        [K_PORT_DEVICE] = {"device", SB_V_TEXT, .required = true, AT(sb_raw_port, device), .min = 1, .max = 255,
                .allowed = "DPDK device arguments such as \"net_af_xdp0,iface=eth1\" or a PCI address such as "
                           "0000:3b:00.0"},
        [K_PORT_TAP] = {"tap", SB_V_NAME, AT(sb_raw_port, tap), .max = 15},
        [K_PORT_MTU] = {"mtu", SB_V_INT, AT(sb_raw_port, mtu), .min = 576, .max = 9600, .preset = "1500"},
        [K_PORT_ADDRESSES] = {"addresses", SB_V_LIST, AT(sb_raw_port, addresses), .max = SB_ADDRESSES_MAX,
                .list = &interface_addresses},
        [K_PORT_VLANS] = {"vlans", SB_V_LIST, AT(sb_raw_port, vlans), .max = SB_VLANS_MAX, .list = &vlans},
};
MAP(port, port_keys, struct sb_raw_port);
MAPS(ports, port, sb_raw_port);

static const struct sb_key listener_keys[] = {
        [K_LISTENER_NAME] = {"name", SB_V_NAME, .required = true, AT(sb_raw_listener, name), .max = SB_NAME_MAX - 1},
        [K_LISTENER_PORT] = {"port", SB_V_NAME, .required = true, AT(sb_raw_listener, port), .max = SB_NAME_MAX - 1,
                .allowed = "the name of a port"},
        [K_LISTENER_ADDRESS] = {"address", SB_V_IP, .required = true, AT(sb_raw_listener, address)},
        [K_LISTENER_UDP] = {"udp", SB_V_INT, AT(sb_raw_listener, udp), .min = 1, .max = 65535, .preset = "5060"},
        [K_LISTENER_TRUST] = {"trust", SB_V_LIST, AT(sb_raw_listener, trust), .max = 65536, .list = &networks},
};
MAP(listener, listener_keys, struct sb_raw_listener);
MAPS(listeners, listener, sb_raw_listener);

static const struct sb_key probe_keys[] = {
        [K_PROBE_METHOD] = {"method", SB_V_CHOICE, AT(sb_raw_probe, method), .preset = "OPTIONS", .choices = methods},
        [K_PROBE_INTERVAL] = {"interval", SB_V_TIME, AT(sb_raw_probe, interval), .min = 100, .max = HOUR,
                .preset = "5s"},
        [K_PROBE_TIMEOUT] = {"timeout", SB_V_TIME, AT(sb_raw_probe, timeout), .min = 10, .max = 60000, .preset = "1s"},
        [K_PROBE_FAILURES] = {"failures", SB_V_INT, AT(sb_raw_probe, failures), .min = 1, .max = 100, .preset = "3"},
        [K_PROBE_SUCCESSES] = {"successes", SB_V_INT, AT(sb_raw_probe, successes), .min = 1, .max = 100, .preset = "2"},
        [K_PROBE_MIN] = {"min", SB_V_TIME, AT(sb_raw_probe, min), .min = 10, .max = HOUR, .preset = "1s"},
        [K_PROBE_MAX] = {"max", SB_V_TIME, AT(sb_raw_probe, max), .min = 10, .max = DAY, .preset = "60s"},
        [K_PROBE_UP_CODES] = {"up_codes", SB_V_CODES, AT(sb_raw_probe, up_codes), .min = 100, .max = 699,
                .preset = "200-499"},
        [K_PROBE_DOWN_CODES] = {"down_codes", SB_V_CODES, AT(sb_raw_probe, down_codes), .min = 100, .max = 699,
                .preset = "503"},
        [K_PROBE_FROM] = {"from", SB_V_URI, AT(sb_raw_probe, from), .max = 63, .preset = ""},
        [K_PROBE_USER_AGENT] = {"user_agent", SB_V_TEXT, AT(sb_raw_probe, user_agent), .max = 63, .preset = ""},
};
MAP(probe, probe_keys, struct sb_raw_probe);

static const struct sb_key traffic_keys[] = {
        [K_TRAFFIC_FAILURES] = {"failures", SB_V_INT, AT(sb_raw_traffic, failures), .min = 1, .max = 64, .preset = "3"},
        [K_TRAFFIC_WINDOW] = {"window", SB_V_INT, AT(sb_raw_traffic, window), .min = 1, .max = 64, .preset = "8"},
};
MAP(traffic, traffic_keys, struct sb_raw_traffic);

static const struct sb_key trunk_keys[] = {
        [K_TRUNK_NAME] = {"name", SB_V_NAME, .required = true, AT(sb_raw_trunk, name), .max = SB_NAME_MAX - 1},
        [K_TRUNK_ADDRESS] = {"address", SB_V_ENDPOINT, .required = true, AT(sb_raw_trunk, address)},
        [K_TRUNK_LISTENER] = {"listener", SB_V_NAME, .required = true, AT(sb_raw_trunk, listener),
                .max = SB_NAME_MAX - 1, .allowed = "the name of a listener"},
        [K_TRUNK_TRYING_TIMER] = {"trying_timer", SB_V_TIME, AT(sb_raw_trunk, trying_timer), .min = 1, .max = HOUR,
                .preset = "500ms"},
        [K_TRUNK_INVITE_RETRIES] = {"invite_retries", SB_V_INT, AT(sb_raw_trunk, invite_retries), .max = 15,
                .preset = "6"},
        [K_TRUNK_FAILOVER_ON] = {"failover_on", SB_V_CODES, AT(sb_raw_trunk, failover_on), .min = 300, .max = 699,
                .preset = "408, 500-599"},
        [K_TRUNK_AFTER_RINGING] = {"failover_after_ringing", SB_V_BOOL, AT(sb_raw_trunk, failover_after_ringing),
                .preset = "false"},
        [K_TRUNK_PROBE] = {"probe", SB_V_MAP, AT(sb_raw_trunk, probe), .map = &probe},
        [K_TRUNK_TRAFFIC] = {"traffic", SB_V_MAP, AT(sb_raw_trunk, traffic), .map = &traffic},
        [K_TRUNK_RAMP] = {"ramp", SB_V_TIME, AT(sb_raw_trunk, ramp), .max = HOUR, .preset = "10s"},
};
MAP(trunk, trunk_keys, struct sb_raw_trunk);
MAPS(trunks, trunk, sb_raw_trunk);

static const struct sb_key member_keys[] = {
        [K_MEMBER_TRUNK] = {"trunk", SB_V_NAME, .required = true, AT(sb_raw_member, trunk), .max = SB_NAME_MAX - 1,
                .allowed = "the name of a trunk"},
        [K_MEMBER_PRIORITY] = {"priority", SB_V_INT, AT(sb_raw_member, priority), .max = 65535, .preset = "1"},
        [K_MEMBER_WEIGHT] = {"weight", SB_V_INT, AT(sb_raw_member, weight), .min = 1, .max = 65535, .preset = "1"},
};
MAP(member, member_keys, struct sb_raw_member);
MAPS(members, member, sb_raw_member);

static const struct sb_key group_keys[] = {
        [K_GROUP_NAME] = {"name", SB_V_NAME, .required = true, AT(sb_raw_group, name), .max = SB_NAME_MAX - 1},
        [K_GROUP_MEMBERS] = {"members", SB_V_LIST, .required = true, AT(sb_raw_group, members), .min = 1, .max = 256,
                .list = &members},
        [K_GROUP_FALLBACK] = {"fallback_interval", SB_V_TIME, AT(sb_raw_group, fallback_interval), .max = DAY,
                .preset = "0"},
};
MAP(group, group_keys, struct sb_raw_group);
MAPS(groups, group, sb_raw_group);

static const struct sb_key route_keys[] = {
        [K_ROUTE_PREFIX] = {"prefix", SB_V_PREFIX, AT(sb_raw_route, prefix)},
        [K_ROUTE_DOMAIN] = {"domain", SB_V_DOMAIN, AT(sb_raw_route, domain), .max = 253},
        [K_ROUTE_SOURCE] = {"source", SB_V_NET, AT(sb_raw_route, source)},
        [K_ROUTE_DEFAULT] = {"default", SB_V_BOOL, AT(sb_raw_route, otherwise), .preset = "true", .allowed = "true"},
        [K_ROUTE_FILE] = {"prefixes_file", SB_V_PATH, AT(sb_raw_route, prefixes_file), .max = 255},
        [K_ROUTE_GROUPS] = {"groups", SB_V_LIST, AT(sb_raw_route, groups), .min = 1, .max = SB_CANDIDATES_MAX,
                .list = &group_names},
};
MAP(route, route_keys, struct sb_raw_route);
MAPS(routes, route, sb_raw_route);

static const struct sb_key limits_keys[] = {
        [K_LIMITS_TRANSACTIONS] = {"transactions", SB_V_INT, AT(sb_raw_limits, transactions), .min = 1,
                .max = SB_WORKERS_MAX << 24, .preset = "1000000"},
        [K_LIMITS_INVITE_RATE] = {"invite_rate_per_source", SB_V_INT, AT(sb_raw_limits, invite_rate_per_source),
                .max = 1000000, .preset = "0"},
        [K_LIMITS_RETRY_AFTER] = {"retry_after", SB_V_TIME, AT(sb_raw_limits, retry_after_s), .min = 1000, .max = HOUR,
                .unit = 1000, .preset = "5s"},
        [K_LIMITS_OVERLOAD] = {"overload", SB_V_CHOICE, AT(sb_raw_limits, overload), .preset = "shed",
                .choices = overload},
};
MAP(limits, limits_keys, struct sb_raw_limits);

/* RFC 3261 17.1.1.1 and 16.6: timer C must be more than three minutes. */
static const struct sb_key timers_keys[] = {
        [K_TIMERS_T1] = {"t1", SB_V_TIME, AT(sb_raw_timers, t1), .min = 10, .max = 10000, .preset = "500ms"},
        [K_TIMERS_T2] = {"t2", SB_V_TIME, AT(sb_raw_timers, t2), .min = 10, .max = 60000, .preset = "4s"},
        [K_TIMERS_T4] = {"t4", SB_V_TIME, AT(sb_raw_timers, t4), .min = 10, .max = 60000, .preset = "5s"},
        [K_TIMERS_C] = {"timer_c", SB_V_TIME, AT(sb_raw_timers, timer_c), .min = 181000, .max = HOUR, .preset = "190s"},
};
MAP(timers, timers_keys, struct sb_raw_timers);

static const struct sb_key file_keys[] = {
        [K_CONTROL] = {"control", SB_V_MAP, AT(sb_raw, control), .map = &control},
        [K_WORKERS] = {"workers", SB_V_LIST, AT(sb_raw, workers), .min = 1, .max = SB_WORKERS_MAX, .list = &cpus},
        [K_PARSER] = {"parser", SB_V_CHOICE, AT(sb_raw, parser), .preset = "auto", .choices = parsers},
        [K_HUGEPAGES] = {"hugepages", SB_V_CHOICE, AT(sb_raw, hugepages), .preset = "auto", .choices = hugepages},
        [K_MEMORY] = {"memory", SB_V_MEMORY, AT(sb_raw, memory_mb), .min = 64, .max = 1024 * 1024, .preset = "256MB"},
        [K_PORTS] = {"ports", SB_V_LIST, .required = true, AT(sb_raw, ports), .min = 1, .max = SB_PORTS_MAX,
                .list = &ports},
        [K_LISTENERS] = {"listeners", SB_V_LIST, .required = true, AT(sb_raw, listeners), .min = 1, .max = 1024,
                .list = &listeners},
        [K_TRUNKS] = {"trunks", SB_V_LIST, .required = true, AT(sb_raw, trunks), .min = 1, .max = SB_TRUNKS_MAX,
                .list = &trunks},
        [K_GROUPS] = {"groups", SB_V_LIST, .required = true, AT(sb_raw, groups), .min = 1, .max = SB_TRUNKS_MAX,
                .list = &groups},
        [K_ROUTES] = {"routes", SB_V_LIST, .required = true, AT(sb_raw, routes), .min = 1, .max = 1u << 24,
                .list = &routes},
        [K_LIMITS] = {"limits", SB_V_MAP, AT(sb_raw, limits), .map = &limits},
        [K_TIMERS] = {"timers", SB_V_MAP, AT(sb_raw, timers), .map = &timers},
        [K_LATE_2XX] = {"late_2xx", SB_V_CHOICE, AT(sb_raw, late_2xx), .preset = "forward", .choices = late_2xx},
        [K_IDLE] = {"idle", SB_V_CHOICE, AT(sb_raw, idle), .preset = "adaptive", .choices = idle},
        [K_IDLE_LATENCY] = {"idle_latency", SB_V_MICROS, AT(sb_raw, idle_latency_us), .min = 5, .max = 1000,
                .preset = "100us"},
};
MAP(file, file_keys, struct sb_raw);

const struct sb_map *sb_schema(void)
{
	_Static_assert(COUNT(file_keys) <= SB_KEYS_MAX, "struct sb_at keeps a line for each key");
	return &file;
}

const char *sb_schema_hugepages(uint32_t choice)
{
	return hugepages[choice];
}
