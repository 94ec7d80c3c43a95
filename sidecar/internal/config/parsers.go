package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v10"

	"stoker/sidecar/internal/core/policy"
)

// Types that only select the parser of a variable.
type (
	dockerHost    string
	apiVersion    string
	folder        string
	overloadShare float64
	overloadHold  time.Duration
	cpuBudget     float64
	address       string
	hostName      string
	peerList      []string
	pingURL       string
	pingEvery     time.Duration
	urls          []string
	nameList      []string
	logLevel      string
	logFormat     string
)

const (
	leastResync  = 5 * time.Second
	leastPing    = 5 * time.Second
	mostParallel = 1024
)

// parsers reads each type of the struct variables. They are not called for an empty value. No error repeats the value,
// which may be a secret.
func parsers() map[reflect.Type]env.ParserFunc {
	parsers := map[reflect.Type]env.ParserFunc{}
	read(parsers, parseHost)
	read(parsers, parseAPIVersion)
	read(parsers, parseFolder)
	read(parsers, parseAddress)
	read(parsers, parseURLs)
	read(parsers, parseNames)
	read(parsers, parseResync)
	read(parsers, parseParallel)
	read(parsers, parseOverloadShare)
	read(parsers, parseOverloadHold)
	read(parsers, parseCompat)
	read(parsers, parseCPUBudget)
	read(parsers, parseHostName)
	read(parsers, parsePeers)
	read(parsers, parsePing)
	read(parsers, parsePingEvery)
	read(parsers, policy.ParseBool)
	read(parsers, choose(policy.ModeLabel, policy.ModeQuota, policy.ModeAll))
	read(parsers, choose(RequireQuotaWarn, RequireQuotaApply, RequireQuotaOff))
	read(parsers, choose(StatsWatched, StatsOff))
	read(parsers, choose[logFormat]("text", "json"))
	read(parsers, parseLogLevel)
	return parsers
}

func read[T any](parsers map[reflect.Type]env.ParserFunc, parse func(string) (T, error)) {
	parsers[reflect.TypeFor[T]()] = func(value string) (any, error) { return parse(value) }
}

func choose[T ~string](choices ...T) func(string) (T, error) {
	return func(value string) (T, error) { return policy.ParseChoice(value, choices...) }
}

func parseLogLevel(value string) (logLevel, error) {
	if strings.EqualFold(value, "warning") {
		return "warn", nil
	}
	return policy.ParseChoice[logLevel](value, "trace", "debug", "info", "warn", "error")
}

func parseResync(value string) (time.Duration, error) {
	d, err := policy.ParseDuration(value)
	if err == nil && d < leastResync {
		return 0, fmt.Errorf("too often; at least %s", leastResync)
	}
	return d, err
}

// parseOverloadShare: 0 means never: it becomes a share that is never reached.
func parseOverloadShare(value string) (overloadShare, error) {
	share, err := policy.ParseShare(value)
	if err == nil && share == 0 {
		return never, nil
	}
	return overloadShare(share), err
}

// never is a share that is not reached.
const never overloadShare = 2

func parseOverloadHold(value string) (overloadHold, error) {
	d, err := policy.ParseDuration(value)
	return overloadHold(d), err
}

func parseParallel(value string) (int, error) {
	n, err := policy.ParseCount(value)
	if err != nil || n < 1 || n > mostParallel {
		return 0, fmt.Errorf("not a whole number from 1 to %d", mostParallel)
	}
	return n, nil
}

// parseCPUBudget: no limit becomes a value below 0, because 0 means the CPUs of the host.
func parseCPUBudget(value string) (cpuBudget, error) {
	if on, err := policy.ParseBool(value); err == nil && !on && value != "0" {
		return -1, nil
	}
	n, err := policy.ParseCPUs(value)
	return cpuBudget(n), err
}

func parseCompat(value string) ([]policy.Compat, error) {
	var all []policy.Compat
	for _, name := range list(value) {
		c, err := policy.ParseChoice(name, policy.CompatAutoheal, policy.CompatDeunhealth)
		if err != nil {
			return nil, fmt.Errorf("%.40q is %w", name, err)
		}
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all, nil
}

// parseNames parses a comma list of names. The caller checks whether they exist.
func parseNames(value string) (nameList, error) {
	valid := regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	var all nameList
	for _, name := range list(strings.ToLower(value)) {
		if !valid.MatchString(name) {
			return nil, fmt.Errorf("%.40q is not a name; write a comma list such as healed,exhausted", name)
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all, nil
}

func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// parseURLs splits at white space, and at a comma only where another URL begins: a comma may be part of a URL.
func parseURLs(value string) (urls, error) {
	scheme := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*://.`)
	var all urls
	for _, field := range strings.Fields(value) {
		begin := 0
		for i := range field {
			if field[i] == ',' && (i+1 == len(field) || scheme.MatchString(field[i+1:])) {
				all, begin = append(all, field[begin:i]), i+1
			}
		}
		all = append(all, field[begin:])
	}
	all = slices.DeleteFunc(all, func(u string) bool { return u == "" })
	for i, u := range all {
		if !scheme.MatchString(u) {
			return nil, fmt.Errorf("entry %d of %d is not a URL; each begins with a service and ://", i+1, len(all))
		}
	}
	return all, nil
}

// parseFolder requires an absolute path: the image's working directory is just /.
func parseFolder(value string) (folder, error) {
	if !path.IsAbs(value) || strings.ContainsRune(value, 0) {
		return "", errors.New("not an absolute path; begin it with /")
	}
	return folder(path.Clean(value)), nil
}

// parseAddress accepts only a numeric port: a scratch image has no /etc/services.
func parseAddress(value string) (address, error) {
	if port(value) {
		return "", fmt.Errorf("missing colon; write :%s", value)
	}
	host, number, err := net.SplitHostPort(value)
	switch {
	case err != nil || strings.ContainsAny(host, "/ \t\n\x00"):
		return "", errors.New("not an address; write :8080 or 127.0.0.1:8080, or set it to nothing to turn it off")
	case !port(number):
		return "", errors.New("the port is not a number from 0 to 65535")
	case strings.Contains(host, ":"):
		if _, err := netip.ParseAddr(host); err != nil {
			return "", errors.New("the host is not an address; write :8080 or 127.0.0.1:8080")
		}
	}
	return address(value), nil
}

func port(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

func parseHost(value string) (dockerHost, error) {
	scheme, rest, found := strings.Cut(value, "://")
	switch {
	case found && scheme == "ssh":
		return "", errors.New("ssh is not supported; use a socket, or tcp with TLS")
	case strings.Contains(value, "@") && scheme != "unix":
		return "", errors.New("a user has no meaning here; an engine is protected by TLS (DOCKER_CERT_PATH)")
	case !found && strings.HasPrefix(value, "/"):
		return "", errors.New("missing unix://; write unix:// and the path")
	case !found:
		return "", errors.New("missing tcp://; write unix:// and a path, or tcp:// and host:port")
	case !slices.Contains([]string{"unix", "tcp", "http", "https", "npipe"}, scheme):
		return "", errors.New("unknown scheme; write unix:// and a path, or tcp:// and host:port")
	case scheme == "unix" && rest != "" && !strings.HasPrefix(rest, "/"):
		return "", fmt.Errorf("not an absolute path, a slash is missing; write unix:///%.80s", rest)
	case rest == "":
		return "", errors.New("nothing after ://; write unix:// and a path, or tcp:// and host:port")
	}
	return dockerHost(value), nil
}

// parseAPIVersion refuses the versions that the client (v28.5.2) refuses: it supports 1.24 and newer. The most common cause is an unquoted
// 1.40 in YAML, which is the number 1.4.
func parseAPIVersion(value string) (apiVersion, error) {
	const oldest = 24
	version := strings.TrimPrefix(value, "v")
	major, minor, _ := strings.Cut(version, ".")
	n, err := strconv.ParseUint(minor, 10, 16)
	switch {
	case major != "1" || err != nil:
		return "", errors.New("not an API version; write it such as 1.41")
	case n < oldest:
		return "", fmt.Errorf("older than 1.%d; in YAML a version has to be in quotes", oldest)
	}
	return apiVersion(version), nil
}

// mostHostName bounds the host's name, which is in every message.
const mostHostName = 100

func parseHostName(value string) (hostName, error) {
	if len(value) > mostHostName || strings.ContainsFunc(value, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return "", fmt.Errorf("must be at most %d printable characters", mostHostName)
	}
	return hostName(value), nil
}

// parsePeers reads base URLs, and names with a port. Neither may have a password: a peer has no login.
func parsePeers(value string) (peerList, error) {
	const most = 100
	entries := list(value)
	var all peerList
	for n, entry := range entries {
		peer, err := parsePeer(entry)
		if err != nil {
			return nil, fmt.Errorf("entry %d of %d is %w", n+1, len(entries), err)
		}
		if !slices.Contains(all, peer) {
			all = append(all, peer)
		}
	}
	if len(all) > most {
		return nil, fmt.Errorf("more than %d peers", most)
	}
	return all, nil
}

func parsePeer(entry string) (string, error) {
	if !strings.Contains(entry, "://") {
		host, number, err := net.SplitHostPort(entry)
		if err != nil || host == "" || strings.ContainsAny(host, "/@?#") || !port(number) || number == "0" {
			return "", errors.New("not a peer; write a name and a port such as tasks.stoker:8080, or a URL such as http://10.0.0.2:8080")
		}
		return net.JoinHostPort(strings.ToLower(host), number), nil
	}
	u, err := url.Parse(entry)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", errors.New("not a URL of a Stoker; write http://host:8080")
	case u.User != nil:
		return "", errors.New("a URL with a user, but a Stoker has no users; protect the network instead")
	case u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("a URL with a query; write where the page is, such as http://host:8080")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func parsePing(value string) (pingURL, error) {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", errors.New("not a URL that can be fetched; write http://… or https://…")
	}
	return pingURL(value), nil
}

func parsePingEvery(value string) (pingEvery, error) {
	d, err := policy.ParseDuration(value)
	if err == nil && d < leastPing {
		err = fmt.Errorf("must be at least %v", leastPing)
	}
	return pingEvery(d), err
}
