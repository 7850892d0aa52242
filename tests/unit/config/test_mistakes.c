/* SPDX-License-Identifier: BSD-3-Clause */
/* What an operator reads when the file is wrong: every mistake, each with its line, what is wrong and what is allowed.
 */
#include "base.h"
#include <sys/stat.h>
#include <unistd.h>

#define EXPECT_MAX 6
struct row {
	unsigned line; /* of the base, replaced by text; 0: text is the whole file */
	const char *text;
	const char *expect[EXPECT_MAX]; /* after "sb.yaml:" */
};

#define TRUNK     "  - { name: lon-a, address: \"10.0.0.1:5062\", listener: inner, "
#define DURATION  ", allowed: a number with ms, s, m or h, "
#define SHORT     ", allowed: a number with us or ms, 5us to 1ms"
#define NAME_RULE ", allowed: 1 to 31 letters, digits, '.', '_' or '-'"
#define TRUNK_KEYS                                                                                                     \
	", allowed: name, address, listener, trying_timer, invite_retries, failover_on, failover_after_ringing, "      \
	"probe, traffic, ramp"
#define ENDPOINT_RULE                                                                                                  \
	", allowed: an IP address with or without port, such as 198.51.100.1, 198.51.100.1:5060 or [2001:db8::1]:5060"
#define CODES_RULE(from) ", allowed: codes and ranges such as 408, 500-599 or 5xx, from " #from " to 699"
#define FILE_KEYS                                                                                                      \
	", allowed: control, workers, parser, hugepages, memory, ports, listeners, trunks, groups, routes, limits, "   \
	"timers, late_2xx, idle, idle_latency"
#define ROUTE_RULE  ", allowed: one of prefix, domain, source, default: true or prefixes_file"
#define IFADDR_RULE ", allowed: an address with its prefix length, such as 192.0.2.10/24 or 2001:db8::10/64"
#define NET_RULE    ", allowed: an IP network such as 198.51.100.0/24 or 2001:db8::/32, or an address"

static const struct row yaml_rows[] = {
        {0, "", {"1: file: is empty, allowed: ports, listeners, trunks, groups and routes"}},
        {0, "# nothing\n---\n", {"1: file: is empty, allowed: ports, listeners, trunks, groups and routes"}},
        {0, "- a\n", {"1: file: a list is not a mapping, allowed: ports, listeners, trunks, groups and routes"}},
        {0, "hello\n", {"1: file: \"hello\" is not a mapping, allowed: ports, listeners, trunks, groups and routes"}},
        {3, "  - { name: edge, device: net_null0",
                {"4: YAML syntax: did not find expected ',' or '}' while parsing a flow mapping that began in line 3"}},
        {6, "  - name: a: b", {"6: YAML syntax: mapping values are not allowed in this context"}},
        {7, "\t- name: a",
                {"7: YAML syntax: found character that cannot start any token while scanning for the next token"}},
        {10, "  - *nothing", {"10: YAML syntax: found undefined alias"}},
        {12, "  - { name: \"\xff\" }", {"12: YAML syntax: invalid leading UTF-8 octet"}},
        {19, "---\nports: []", {"19: file: a second YAML document begins, allowed: one"}},
        {19, "late_2xx: bye\nlate_2xx: bye", {"20: late_2xx: is given twice, first in line 19, allowed: once"}},
        {19, "? [a]\n: b", {"19: file: a list cannot be a key, allowed: a word"}},
        {11, TRUNK "<<: 5 }",
                {"11: trunks[1].<<: is not a mapping, allowed: one alias of a mapping",
                        "11: trunks[1].name: \"lon-a\" is the name of trunks[0] too, allowed: a name for each trunk",
                        "14: groups[0].members[1].trunk: there is no trunk \"lon-b\" (did you mean \"lon-a\"?), "
                        "allowed: "
                        "the name of a trunk"}},
        {19, "control: &c { <<: *c }", {"19: control.<<: is nested too deep, allowed: one alias of a mapping"}},
};

static const struct row value_rows[] = {
        {10, TRUNK "trying_timer: 5 bananas }",
                {"10: trunks[0].trying_timer: \"5 bananas\" is not a duration" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: 500 }",
                {"10: trunks[0].trying_timer: \"500\" is not a duration" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: 0 }", {"10: trunks[0].trying_timer: \"0\" is out of range" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: 61m }", {"10: trunks[0].trying_timer: \"61m\" is out of range" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: 0.5ms }",
                {"10: trunks[0].trying_timer: \"0.5ms\" is out of range" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: 1.5ms }",
                {"10: trunks[0].trying_timer: \"1.5ms\" is not a whole number of milliseconds" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: }", {"10: trunks[0].trying_timer: is empty" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: [1s] }",
                {"10: trunks[0].trying_timer: a list is not one value" DURATION "1ms to 1h"}},
        {10, TRUNK "trying_timer: \"1s\\0\" }",
                {"10: trunks[0].trying_timer: \"1s?\" has a NUL in it" DURATION "1ms to 1h"}},
        {10, TRUNK "ramp: -1s }", {"10: trunks[0].ramp: \"-1s\" is not a duration" DURATION "0s to 1h"}},
        {10, TRUNK "ramp: 99999999999999999999s }",
                {"10: trunks[0].ramp: \"99999999999999999999s\" is not a duration" DURATION "0s to 1h"}},
        {10, TRUNK "invite_retries: 16 }",
                {"10: trunks[0].invite_retries: \"16\" is out of range, allowed: a whole number, 0 to 15"}},
        {10, TRUNK "invite_retries: -1 }",
                {"10: trunks[0].invite_retries: \"-1\" is not a whole number, allowed: a whole number, 0 to 15"}},
        {10, TRUNK "invite_retries: 99999999999999999999 }",
                {"10: trunks[0].invite_retries: \"99999999999999999999\" is out of range, allowed: a whole number, 0 "
                 "to 15"}},
        {10, TRUNK "failover_on: [408, 5oo, 299, 700, 599-500] }",
                {"10: trunks[0].failover_on[1]: \"5oo\" is not a response code" CODES_RULE(300),
                        "10: trunks[0].failover_on[2]: \"299\" is out of range" CODES_RULE(300),
                        "10: trunks[0].failover_on[3]: \"700\" is out of range" CODES_RULE(300),
                        "10: trunks[0].failover_on[4]: \"599-500\" begins after its end" CODES_RULE(300)}},
        {10, TRUNK "failover_on: { a: 1 } }",
                {"10: trunks[0].failover_on: a mapping is not one value" CODES_RULE(300)}},
        {10, TRUNK "failover_after_ringing: maybe }",
                {"10: trunks[0].failover_after_ringing: \"maybe\" is neither true nor false, allowed: true or false"}},
        {10, TRUNK "probe: { method: PING } }",
                {"10: trunks[0].probe.method: \"PING\" is not one of the choices, allowed: OPTIONS or none"}},
        {10, TRUNK "probe: { interval: 50ms, timeout: 2m, failures: 0, successes: 101, min: 5ms, max: 25h } }",
                {"10: trunks[0].probe.interval: \"50ms\" is out of range" DURATION "100ms to 1h",
                        "10: trunks[0].probe.timeout: \"2m\" is out of range" DURATION "10ms to 1m",
                        "10: trunks[0].probe.failures: \"0\" is out of range, allowed: a whole number, 1 to 100",
                        "10: trunks[0].probe.successes: \"101\" is out of range, allowed: a whole number, 1 to 100",
                        "10: trunks[0].probe.min: \"5ms\" is out of range" DURATION "10ms to 1h",
                        "10: trunks[0].probe.max: \"25h\" is out of range" DURATION "10ms to 24h"}},
        {10, TRUNK "probe: { up_codes: [99], down_codes: [7xx] } }",
                {"10: trunks[0].probe.up_codes[0]: \"99\" is out of range" CODES_RULE(100),
                        "10: trunks[0].probe.down_codes[0]: \"7xx\" is out of range" CODES_RULE(100)}},
        {10, TRUNK "probe: { from: \"sip:a@b>\", user_agent: \"a\\nb\" } }",
                {"10: trunks[0].probe.from: \"sip:a@b>\" is not a SIP URI, allowed: a SIP URI such as "
                 "sip:probe@example.com, of "
                 "at most 63 characters",
                        "10: trunks[0].probe.user_agent: \"a?b\" has characters that are not printable ASCII, allowed: "
                        "0 to 63 "
                        "printable ASCII characters"}},
        {10, TRUNK "probe: none }",
                {"10: trunks[0].probe: \"none\" is not a mapping, allowed: a mapping of keys to values"}},
        {10, TRUNK "traffic: { failures: 0, window: 65 } }",
                {"10: trunks[0].traffic.failures: \"0\" is out of range, allowed: a whole number, 1 to 64",
                        "10: trunks[0].traffic.window: \"65\" is out of range, allowed: a whole number, 1 to 64"}},
        {19, "limits: { transactions: 0, invite_rate_per_source: x, retry_after: 1500ms }",
                {"19: limits.transactions: \"0\" is out of range, allowed: a whole number, 1 to 1073741824",
                        "19: limits.invite_rate_per_source: \"x\" is not a whole number, allowed: a whole number, 0 to "
                        "1000000",
                        "19: limits.retry_after: \"1500ms\" is not a whole number of seconds, allowed: a number with "
                        "s, m or h, "
                        "1s to 1h"}},
        {19, "timers: { t1: 1ms, t2: 2m, t4: 2m, timer_c: 180s }",
                {"19: timers.t1: \"1ms\" is out of range" DURATION "10ms to 10s",
                        "19: timers.t2: \"2m\" is out of range" DURATION "10ms to 1m",
                        "19: timers.t4: \"2m\" is out of range" DURATION "10ms to 1m",
                        "19: timers.timer_c: \"180s\" is out of range" DURATION "181s to 1h"}},
        {19, "late_2xx: drop", {"19: late_2xx: \"drop\" is not one of the choices, allowed: forward or bye"}},
        {19, "idle: never", {"19: idle: \"never\" is not one of the choices, allowed: poll or adaptive"}},
        {19, "idle_latency: 50", {"19: idle_latency: \"50\" is not a duration" SHORT}},
        {19, "idle_latency: 1s", {"19: idle_latency: \"1s\" is not a duration" SHORT}},
        {19, "idle_latency: 4us", {"19: idle_latency: \"4us\" is out of range" SHORT}},
        {19, "idle_latency: 1.001ms", {"19: idle_latency: \"1.001ms\" is out of range" SHORT}},
        {19, "idle_latency: 5.5us", {"19: idle_latency: \"5.5us\" is not a whole number of microseconds" SHORT}},
        {19, "parser: fast", {"19: parser: \"fast\" is not one of the choices, allowed: auto or osip"}},
        {19, "hugepages: true", {"19: hugepages: \"true\" is not one of the choices, allowed: auto, yes or no"}},
        {19, "memory: 256",
                {"19: memory: \"256\" is not an amount of memory, allowed: a number with MB or GB, 64MB to 1024GB"}},
        {19, "memory: 8MB", {"19: memory: \"8MB\" is out of range, allowed: a number with MB or GB, 64MB to 1024GB"}},
        {19, "control: { socket: run/s, log_level: loud, log_format: xml }",
                {"19: control.socket: \"run/s\" is not an absolute path, allowed: a path from / on, of at most 107 "
                 "characters",
                        "19: control.log_level: \"loud\" is not one of the choices, allowed: error, warn, info or "
                        "debug",
                        "19: control.log_format: \"xml\" is not one of the choices, allowed: logfmt or json"}},
        {19, "control: { lcore: 4000 }",
                {"19: control.lcore: \"4000\" is out of range, allowed: a whole number, 0 to 1023"}},
        {1, "workers: 0", {"1: workers: \"0\" is not a list, allowed: a list of 1 to 64"}},
        {1, "workers: []", {"1: workers: has 0 entries, allowed: 1 to 64"}},
        {1, "workers: [zero]", {"1: workers[0]: \"zero\" is not a whole number, allowed: a whole number, 0 to 1023"}},
};

static const struct row net_rows[] = {
        {4, "  - { name: a b, device: net_null1, addresses: [10.0.0.10/24] }",
                {"4: ports[1].name: \"a b\" is not a name" NAME_RULE,
                        "7: listeners[1].port: there is no port \"core\", allowed: the name of a port"}},
        {4, "  - { name: core, device: net_null1, tap: a-name-of-16-let, mtu: 100, addresses: [10.0.0.10/24] }",
                {"4: ports[1].tap: \"a-name-of-16-let\" is too long, allowed: 1 to 15 letters, digits, '.', '_' or '-'",
                        "4: ports[1].mtu: \"100\" is out of range, allowed: a whole number, 576 to 9600"}},
        {4, "  - { name: core, device: \"\", addresses: [10.0.0.10/24] }",
                {"4: ports[1].device: \"\" is too short, allowed: DPDK device arguments such as "
                 "\"net_af_xdp0,iface=eth1\" or a PCI "
                 "address such as 0000:3b:00.0"}},
        {4, "  - { name: core, device: d, addresses: [10.0.0.10, 10.0.0.10/33, 0.0.0.0/8, 224.0.0.1/4, 10.0.0.10/24] }",
                {"4: ports[1].addresses[0]: \"10.0.0.10\" is not an address with its prefix length" IFADDR_RULE,
                        "4: ports[1].addresses[1]: \"10.0.0.10/33\" is not an address with its prefix "
                        "length" IFADDR_RULE,
                        "4: ports[1].addresses[2]: \"0.0.0.0/8\" is not an address that a host can have" IFADDR_RULE,
                        "4: ports[1].addresses[3]: \"224.0.0.1/4\" is not an address that a host can "
                        "have" IFADDR_RULE}},
        {4,
                "  - { name: core, device: d, addresses: [10.0.0.10/24], vlans: [ { id: 0, addresses: [10.0.1.1/24] }, "
                "{ id: 4095 } ] }",
                {"4: ports[1].vlans[0].id: \"0\" is out of range, allowed: a whole number, 1 to 4094",
                        "4: ports[1].vlans[1].id: \"4095\" is out of range, allowed: a whole number, 1 to 4094",
                        "4: ports[1].vlans[1].addresses: is missing, allowed: a list of 1 to 16"}},
        {4,
                "  - { name: core, device: d, vlans: [ { id: 7, addresses: [10.0.0.10/24] }, { id: 7, addresses: "
                "[10.0.1.1/24] } ] }",
                {"4: ports[1].vlans[1].id: 7 is the id of vlans[0] too, allowed: an id for each VLAN of a port"}},
        {4, "  - { name: core, device: d, addresses: [10.0.0.10/24, 192.0.2.10/28, 10.0.0.10/8] }",
                {"4: ports[1].addresses[1]: is the address of ports[0].addresses[0] too, allowed: an address of its "
                 "own",
                        "4: ports[1].addresses[2]: is the address of ports[1].addresses[0] too, allowed: an address of "
                        "its own"}},
        {4, "  - { name: core, device: d, mtu: 1000, addresses: [10.0.0.10/24, 2001:db8:1::1/64] }",
                {"4: ports[1].addresses[1]: IPv6 needs an mtu of 1280, the port has 1000, allowed: IPv4"}},
        {4, "  - { name: edge, device: net_null0, addresses: [10.0.0.10/24] }",
                {"4: ports[1].name: \"edge\" is the name of ports[0] too, allowed: a name for each port",
                        "4: ports[1].device: is the device of ports[0] too, allowed: a device for each port",
                        "7: listeners[1].port: there is no port \"core\", allowed: the name of a port"}},
        {4, "  - { name: core, device: d, tap: sb-in, addresses: [10.0.0.10/24] }",
                {"4: ports[1].tap: \"sb-in\" is the tap of ports[0] too, allowed: a tap for each port"}},
        {3,
                "  - { name: in, device: c, addresses: [192.0.2.10/24] }\n  - { name: edge, device: d, tap: sb-in, "
                "addresses: "
                "[192.0.2.11/24, \"2001:db8::10/64\"] }",
                {"4: ports[1].tap: \"sb-in\" is the tap of ports[0] too, allowed: a tap for each port",
                        "7: listeners[0].address: 192.0.2.10 is not an address of port \"edge\", allowed: 192.0.2.11, "
                        "2001:db8::10"}},
        {7, "  - { name: inner, port: coer, address: 10.0.0.10 }",
                {"7: listeners[1].port: there is no port \"coer\" (did you mean \"core\"?), allowed: the name of a "
                 "port"}},
        {7, "  - { name: inner, port: core, address: 10.0.0.11 }",
                {"7: listeners[1].address: 10.0.0.11 is not an address of port \"core\", allowed: 10.0.0.10"}},
        {7, "  - { name: inner, port: core, address: 192.0.2.10, udp: 5061 }",
                {"7: listeners[1].address: 192.0.2.10 is not an address of port \"core\", allowed: 10.0.0.10"}},
        {7, "  - { name: inner, port: core, address: \"10.0.0.10:5060\", udp: 0 }",
                {"7: listeners[1].address: \"10.0.0.10:5060\" is not an IP address, allowed: an IPv4 or IPv6 address "
                 "without port",
                        "7: listeners[1].udp: \"0\" is out of range, allowed: a whole number, 1 to 65535"}},
        {7, "  - { name: inner, port: core }",
                {"7: listeners[1].address: is missing, allowed: an IPv4 or IPv6 address without port"}},
        {8,
                "  - { name: access6, port: edge, address: \"2001:db8::10\" }\n  - { name: more, port: edge, address: "
                "192.0.2.10, udp: 5060 }",
                {"9: listeners[3].address: listeners[0] has the same address and udp port, allowed: a pair for each "
                 "listener"}},
        {8, "  - { name: access, port: edge, address: \"2001:db8::10\" }",
                {"8: listeners[2].name: \"access\" is the name of listeners[0] too, allowed: a name for each listener",
                        "12: trunks[2].listener: there is no listener \"access6\" (did you mean \"access\"?), allowed: "
                        "the name of a "
                        "listener"}},
        {6, "  - { name: access, port: edge, address: 192.0.2.10, trust: [198.51.100.0/33, nets, 10.0.0.0/8/8] }",
                {"6: listeners[0].trust[0]: \"198.51.100.0/33\" is not an IP network" NET_RULE,
                        "6: listeners[0].trust[1]: \"nets\" is not an IP network" NET_RULE,
                        "6: listeners[0].trust[2]: \"10.0.0.0/8/8\" is not an IP network" NET_RULE}},
        {6, "  - { name: access, port: edge, address: 192.0.2.10, trust: any }",
                {"6: listeners[0].trust: \"any\" is not a list, allowed: a list of 0 to 65536"}},
};

static const struct row trunk_rows[] = {
        {10, "  - { name: lon-a, address: sip.example.com, listener: inner }",
                {"10: trunks[0].address: \"sip.example.com\" is a host name, which this release does not look "
                 "up" ENDPOINT_RULE}},
        {10, "  - { name: lon-a, address: \"abc:5060\", listener: inner }",
                {"10: trunks[0].address: \"abc:5060\" is a host name, which this release does not look "
                 "up" ENDPOINT_RULE}},
        {10, "  - { name: lon-a, address: \"10.0.0.1:65536\", listener: inner }",
                {"10: trunks[0].address: \"10.0.0.1:65536\" is not an IP address" ENDPOINT_RULE}},
        {10, "  - { name: lon-a, address: 255.255.255.255, listener: inner }",
                {"10: trunks[0].address: \"255.255.255.255\" is not an address that a host can have" ENDPOINT_RULE}},
        {12, "  - { name: six, address: \"::ffff:10.0.0.1\", listener: access6 }",
                {"12: trunks[2].address: \"::ffff:10.0.0.1\" is not an address that a host can have" ENDPOINT_RULE}},
        {10, "  - { address: 10.0.0.1 }",
                {"10: trunks[0].name: is missing" NAME_RULE,
                        "10: trunks[0].listener: is missing, allowed: the name of a listener",
                        "14: groups[0].members[0].trunk: there is no trunk \"lon-a\" (did you mean \"lon-b\"?), "
                        "allowed: the name of "
                        "a trunk"}},
        {10, "  - { name: lon-a, address: 10.0.0.1, listener: iner }",
                {"10: trunks[0].listener: there is no listener \"iner\" (did you mean \"inner\"?), allowed: the name "
                 "of a listener"}},
        {10, "  - { name: lon-a, address: 10.0.0.1, listener: access6 }",
                {"10: trunks[0].listener: \"access6\" is IPv6 and the trunk's address is IPv4, allowed: a listener of "
                 "the same family"}},
        {10, "  - { name: lon-a, address: \"192.0.2.10:5060\", listener: inner }",
                {"10: trunks[0].address: is our own listeners[0], allowed: the address of another host"}},
        {11, "  - { name: lon-a, address: 10.0.0.2, listener: inner }",
                {"11: trunks[1].name: \"lon-a\" is the name of trunks[0] too, allowed: a name for each trunk",
                        "14: groups[0].members[1].trunk: there is no trunk \"lon-b\" (did you mean \"lon-a\"?), "
                        "allowed: the name of "
                        "a trunk"}},
        {10, TRUNK "tryng_timer: 5 }",
                {"10: trunks[0].tryng_timer: unknown key (did you mean trying_timer?)" TRUNK_KEYS}},
        {10, TRUNK "Ramp: 5s, zzz: 1 }",
                {"10: trunks[0].Ramp: unknown key (did you mean ramp?)" TRUNK_KEYS,
                        "10: trunks[0].zzz: unknown key" TRUNK_KEYS}},
        {10, TRUNK "trying_timer: 1h, invite_retries: 4 }",
                {"10: trunks[0].trying_timer: with invite_retries 4 the trunk would be given up after 31h, allowed: "
                 "less than 24h"}},
        {10, TRUNK "trying_timer: 1320s, invite_retries: 15 }",
                {"10: trunks[0].trying_timer: with invite_retries 15 the trunk would be given up after 24029h, "
                 "allowed: less than "
                 "24h"}},
        {10, TRUNK "probe: { min: 2m } }", {"10: trunks[0].probe.min: 2m is longer than max, allowed: 1m or shorter"}},
        {10, TRUNK "probe: { up_codes: [200-599] } }",
                {"10: trunks[0].probe.down_codes: 503 is in up_codes too, allowed: each code in one of them"}},
        {10, TRUNK "traffic: { failures: 9 } }",
                {"10: trunks[0].traffic.failures: 9 cannot be among the last 8, allowed: 1 to 8"}},
        {10, TRUNK "probe: { intervall: 1s } }",
                {"10: trunks[0].probe.intervall: unknown key (did you mean interval?), allowed: method, interval, "
                 "timeout, failures, "
                 "successes, min, max, up_codes, down_codes, from, user_agent"}},
};

static const struct row route_rows[] = {
        {15, "  - { name: far, members: [] }", {"15: groups[1].members: has 0 entries, allowed: 1 to 256"}},
        {15, "  - { name: far }", {"15: groups[1].members: is missing, allowed: a list of 1 to 256"}},
        {15, "  - { name: london, members: [ { trunk: six } ] }",
                {"15: groups[1].name: \"london\" is the name of groups[0] too, allowed: a name for each group",
                        "17: routes[0].groups[1]: there is no group \"far\", allowed: the name of a group"}},
        {15,
                "  - { name: far, members: [ { trunk: sex }, { trunk: six, weight: 0, priority: 65536 }, { trunk: six "
                "} ] }",
                {"15: groups[1].members[1].weight: \"0\" is out of range, allowed: a whole number, 1 to 65535",
                        "15: groups[1].members[1].priority: \"65536\" is out of range, allowed: a whole number, 0 to "
                        "65535",
                        "15: groups[1].members[0].trunk: there is no trunk \"sex\" (did you mean \"six\"?), allowed: "
                        "the name of a "
                        "trunk",
                        "15: groups[1].members[2].trunk: \"six\" is members[1] too, allowed: a trunk once in a group"}},
        {15, "  - { name: far, members: [ six ] }",
                {"15: groups[1].members[0]: \"six\" is not a mapping, allowed: a mapping of keys to values"}},
        {15, "  - { name: far, members: [ { trunk: six } ], fallback_interval: 25h }",
                {"15: groups[1].fallback_interval: \"25h\" is out of range" DURATION "0s to 24h"}},
        {17, "  - { prefix: \"+44\", groups: [londen, far] }",
                {"17: routes[0].groups[0]: there is no group \"londen\" (did you mean \"london\"?), allowed: the name "
                 "of a group"}},
        {17, "  - { prefix: \"+44\", groups: [far, far] }",
                {"17: routes[0].groups[1]: \"far\" is groups[0] too, allowed: a group once in a route"}},
        {17, "  - { prefix: \"+44\" }", {"17: routes[0].groups: is missing, allowed: a list of 1 to 16"}},
        {17, "  - { prefix: \"+44\", groups: [] }", {"17: routes[0].groups: has 0 entries, allowed: 1 to 16"}},
        {17, "  - { groups: [far] }", {"17: routes[0]: does not say what it matches" ROUTE_RULE}},
        {17, "  - { prefix: \"+44\", domain: a.b, groups: [far] }",
                {"17: routes[0].domain: stands beside prefix" ROUTE_RULE}},
        {17, "  - { default: false, groups: [far] }",
                {"17: routes[0].default: is false, allowed: true",
                        "18: routes[1].default: routes[0] matches the same, allowed: one default route"}},
        {17, "  - { default: yes, groups: [far] }",
                {"18: routes[1].default: routes[0] matches the same, allowed: one default route"}},
        {17, "  - { prefix: \"+44 20\", groups: [far] }",
                {"17: routes[0].prefix: \"+44 20\" is not a number's beginning, allowed: 1 to 31 digits, letters, '+', "
                 "'*', '#', "
                 "'.', '_' or '-'"}},
        {17, "  - { prefix: \"12345678901234567890123456789012\", groups: [far] }",
                {"17: routes[0].prefix: \"12345678901234567890123456789012\" is too long, allowed: 1 to 31 digits, "
                 "letters, '+', "
                 "'*', '#', '.', '_' or '-'"}},
        {17, "  - { prefix: #44, groups: [far] }",
                {"18: YAML syntax: did not find expected node content while parsing a flow node"}},
        {17, "  - { prefix: 44, groups: [far] }\n  - { prefix: \"44\", groups: [far] }",
                {"18: routes[1].prefix: routes[0] matches the same, allowed: one route for each prefix"}},
        {17, "  - { domain: A.example, groups: [far] }\n  - { domain: a.Example, groups: [far] }",
                {"18: routes[1].domain: routes[0] matches the same, allowed: one route for each domain"}},
        {17, "  - { source: 10.1.2.3/8, groups: [far] }\n  - { source: 10.0.0.0/8, groups: [far] }",
                {"18: routes[1].source: routes[0] matches the same, allowed: one route for each source"}},
        {17, "  - { domain: \"a b\", groups: [far] }\n  - { source: 10.0.0.0/40, groups: [far] }",
                {"17: routes[0].domain: \"a b\" is not a domain, allowed: a host name or an IP address, of at most 253 "
                 "characters",
                        "18: routes[1].source: \"10.0.0.0/40\" is not an IP network" NET_RULE}},
        {19, "rotues: []", {"19: rotues: unknown key (did you mean routes?)" FILE_KEYS}},
};

static void check_row(const struct row *r)
{
	static struct sb_slots *slots;
	char text[8192], want[1024];
	struct sb_config *c = NULL;
	struct sb_config_errors e = {0};
	if (!slots)
		slots = sb_slots_new();
	if (r->line)
		base_text(text, r->line, r->text);
	else
		snprintf(text, sizeof text, "%s", r->text);
	int rc = sb_config_load("sb.yaml", text, strlen(text), slots, &c, &e);
	uint32_t n = 0;
	while (n < EXPECT_MAX && r->expect[n])
		n++;
	bool good = rc == SB_E_CONFIG && e.n == n && !c;
	for (uint32_t i = 0; i < n && i < e.n; i++) {
		snprintf(want, sizeof want, "sb.yaml:%s", r->expect[i]);
		good &= strcmp(want, e.line[i]) == 0;
	}
	if (!good) {
		print_error("--- line %u: %s\n", r->line, r->text);
		for (uint32_t i = 0; i < n; i++)
			print_error("want sb.yaml:%s\n", r->expect[i]);
		for (uint32_t i = 0; i < e.n; i++)
			print_error("have %s\n", e.line[i]);
	}
	sb_config_errors_free(&e);
	/* A file that is refused takes no health slot. */
	assert_null(sb_slots_name(slots, 0));
	if (!good)
		fail_msg("rc %d, %u lines", rc, e.n);
}

#define CHECK_ROWS(rows)                                                                                               \
	for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                                     \
	check_row(&(rows)[i])

static void a_file_that_is_not_yaml_is_told_by_line(void **state)
{
	CHECK_ROWS(yaml_rows);
}

static void a_value_out_of_its_kind_or_bounds_is_told_with_what_is_allowed(void **state)
{
	CHECK_ROWS(value_rows);
}

static void ports_and_listeners_that_do_not_fit_are_refused(void **state)
{
	CHECK_ROWS(net_rows);
}

static void trunks_that_cannot_work_are_refused(void **state)
{
	CHECK_ROWS(trunk_rows);
}

static void groups_and_routes_that_lead_nowhere_are_refused(void **state)
{
	CHECK_ROWS(route_rows);
}

static void workers_need_cpus_that_exist_one_each(void **state)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	char first[200], second[200];
	snprintf(first, sizeof first, "1: workers[1]: CPU 0 is given twice, allowed: a CPU for each worker");
	snprintf(second, sizeof second, "1: workers[2]: there is no CPU 1023, allowed: 0 to %ld", cpus - 1);
	check_row(&(struct row){1, "workers: [0, 0, 1023]", {first, second}});
	snprintf(first, sizeof first, "19: control.lcore: there is no CPU 1023, allowed: 0 to %ld", cpus - 1);
	check_row(&(struct row){19, "control: { lcore: 1023 }", {first}});
}

static void transactions_are_bounded_by_the_slots_of_the_workers(void **state)
{
	check_row(&(struct row){19, "limits: { transactions: 16777217 }",
	        {"19: limits.transactions: 16777217 is out of range, allowed: 1 to 16777216, which is 16777216 for "
	         "each worker"}});
}

static void all_mistakes_come_at_once_in_line_order(void **state)
{
	check_row(&(struct row){0,
	        "routes:\n  - { default: true, groups: [g] }\ntrunks:\n  - { name: t, address: 10.0.0.1, listener: l, "
	        "ramp: fast }\n"
	        "groups:\n  - { name: g, members: [ { trunk: u } ] }\nparser: x\n",
	        {"1: ports: is missing, allowed: a list of 1 to 16",
	                "1: listeners: is missing, allowed: a list of 1 to 1024",
	                "4: trunks[0].ramp: \"fast\" is not a duration" DURATION "0s to 1h",
	                "4: trunks[0].listener: there is no listener \"l\", allowed: the name of a listener",
	                "6: groups[0].members[0].trunk: there is no trunk \"u\" (did you mean \"t\"?), allowed: the "
	                "name of a trunk",
	                "7: parser: \"x\" is not one of the choices, allowed: auto or osip"}});
}

static void complaints_end_at_a_bound_and_say_so(void **state)
{
	size_t len = 0, room = 200000;
	char *text = malloc(room);
	struct sb_config *c = NULL;
	struct sb_config_errors e = {0};
	struct sb_slots *slots = sb_slots_new();
	for (unsigned i = 0; i < 3000; i++)
		len += (size_t)snprintf(text + len, room - len, "key-%u: value\n", i);
	assert_int_equal(sb_config_load("sb.yaml", text, len, slots, &c, &e), SB_E_CONFIG);
	assert_int_equal(e.n, 1001);
	assert_string_equal(e.line[1000], "sb.yaml: and 2005 more mistakes");
	sb_config_errors_free(&e);
	sb_slots_free(slots);
	free(text);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
	struct sb_config *c = NULL;
	struct sb_config_errors e = {0};
	struct sb_slots *slots = sb_slots_new();
	assert_int_equal(sb_config_load("/nonexistent/sb.yaml", NULL, 0, slots, &c, &e), SB_E_IO);
	assert_int_equal(e.n, 1);
	assert_string_equal(e.line[0], "/nonexistent/sb.yaml: cannot be read: No such file or directory");
	sb_config_errors_free(&e);
	sb_slots_free(slots);
}

/* Nor does it wait for a writer. */
static void what_is_no_regular_file_is_refused(void **state)
{
	char fifo[64];
	const char *const files[] = {"/tmp", "/dev/null", "/dev/zero", fifo};
	struct sb_slots *slots = sb_slots_new();
	snprintf(fifo, sizeof fifo, "/tmp/sb-fifo-%d", (int)getpid());
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
		struct sb_config *c = NULL;
		struct sb_config_errors e = {0};
		char want[128];
		snprintf(want, sizeof want, "%s: is not a regular file, allowed: a regular file of at most 1 GB",
		        files[i]);
		assert_int_equal(sb_config_load(files[i], NULL, 0, slots, &c, &e), SB_E_CONFIG);
		assert_int_equal(e.n, 1);
		assert_string_equal(e.line[0], want);
		sb_config_errors_free(&e);
	}
	unlink(fifo);
	sb_slots_free(slots);
}

/* A file cut off anywhere is refused or read, never a crash; and no cut leaks (the sanitizers look). */
static void a_truncated_file_never_crashes(void **state)
{
	char text[8192];
	struct sb_slots *slots = sb_slots_new();
	base_text(text, 10, TRUNK "probe: { from: \"sip:a@b\", up_codes: [2xx, 404] }, traffic: { window: 9 } }");
	size_t len = strlen(text);
	for (size_t n = 0; n < len; n++) {
		struct sb_config *c = NULL;
		struct sb_config_errors e = {0};
		char *cut = malloc(n ? n : 1);
		memcpy(cut, text, n);
		int rc = sb_config_load("sb.yaml", cut, n, slots, &c, &e);
		assert_true(rc == 0 ? e.n == 0 : rc == SB_E_CONFIG && e.n > 0);
		sb_config_free(c);
		sb_config_errors_free(&e);
		free(cut);
	}
	sb_slots_free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_file_that_is_not_yaml_is_told_by_line),
	        cmocka_unit_test(a_value_out_of_its_kind_or_bounds_is_told_with_what_is_allowed),
	        cmocka_unit_test(ports_and_listeners_that_do_not_fit_are_refused),
	        cmocka_unit_test(trunks_that_cannot_work_are_refused),
	        cmocka_unit_test(groups_and_routes_that_lead_nowhere_are_refused),
	        cmocka_unit_test(workers_need_cpus_that_exist_one_each),
	        cmocka_unit_test(transactions_are_bounded_by_the_slots_of_the_workers),
	        cmocka_unit_test(all_mistakes_come_at_once_in_line_order),
	        cmocka_unit_test(complaints_end_at_a_bound_and_say_so),
	        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
	        cmocka_unit_test(what_is_no_regular_file_is_refused),
	        cmocka_unit_test(a_truncated_file_never_crashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
