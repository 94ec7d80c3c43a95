package policy

import (
	"errors"
	"fmt"
	"net/netip" //nolint:depguard // parses text only
	"net/url"   //nolint:depguard // parses text only
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ProbeKind is the type of a probe from outside.
type ProbeKind uint8

// The kinds of probe.
const (
	ProbeNone ProbeKind = iota
	ProbeHTTP           // a GET request, over TLS with ProbeTarget.TLS
	ProbeTCP            // a connection, which is closed at once
	ProbeFile           // the modification time of a file in the container
)

// ProbeTarget is the target of a probe. It is comparable.
//
// It prints without its secrets, in every format of fmt and as JSON.
type ProbeTarget struct {
	Kind           ProbeKind
	TLS            bool
	Host           string // name or IP address, without brackets; empty is the worker's own address
	Port           string
	User, Password string
	Path           string        // ProbeHTTP: escaped; ProbeFile: the file's
	Query          string        // ProbeHTTP: encoded
	MaxAge         time.Duration // ProbeFile
}

const (
	longestProbe  = 4096 // of what a label may hold, in bytes
	defaultMaxAge = time.Minute

	httpExample = "http://:8000/health"
	tcpExample  = "tcp://:5672"
	fileExample = "file:///tmp/heartbeat?max-age=60s"
)

// ParseProbe parses the URL of a probe. Its error describes the problem and a valid form. It contains no part of the URL that could belong to a
// user or a password.
func ParseProbe(text string) (ProbeTarget, error) {
	scheme, rest, found := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	example := map[string]string{"http": httpExample, "https": "https://:8443/health", "tcp": tcpExample, "file": fileExample}[scheme]
	switch {
	case len(text) > longestProbe:
		return ProbeTarget{}, fmt.Errorf("longer than %d characters", longestProbe)
	case !found:
		return ProbeTarget{}, fmt.Errorf("not a URL; write %s, %s or %s", httpExample, tcpExample, fileExample)
	case example == "":
		return ProbeTarget{}, errors.New(unknownProbe(scheme))
	}
	u, err := url.Parse(text)
	if err != nil { // err repeats the URL
		return ProbeTarget{}, errors.New("cannot be read as a URL; write " + example)
	}
	t := ProbeTarget{TLS: scheme == "https", Host: strings.ToLower(u.Hostname()), Port: u.Port(), User: u.User.Username()}
	t.Password, _ = u.User.Password()
	switch {
	case strings.Contains(rest, "#"):
		err = errors.New("a # has no meaning here; write it as %23")
	case u.Host != "" && t.Host != "" && !probeHost(u):
		err = errors.New("the host is neither a name nor an IP address; an IPv6 address is in brackets")
	case scheme == "tcp":
		err = t.tcp(u)
	case scheme == "file":
		err = t.file(u)
	default:
		err = t.http(u)
	}
	if err != nil {
		return ProbeTarget{}, fmt.Errorf("%w; write %s", err, example)
	}
	return t, nil
}

func unknownProbe(scheme string) string {
	const all = "begin it with http://, https://, tcp:// or file://"
	switch scheme {
	case "exec", "cmd", "shell", "sh":
		return "Stoker runs no commands in a worker; that is what Docker's own health check does; " + all
	case "udp", "grpc", "unix", "ws", "wss", "redis", "amqp", "ping", "icmp":
		return "not a kind of probe; tcp:// sees whether a port accepts connections; " + all
	}
	return "not a supported kind of probe; " + all
}

// probeHost reports whether the host is valid: an IPv6 address without a zone, or a name.
func probeHost(u *url.URL) bool {
	if strings.HasPrefix(u.Host, "[") {
		ip, err := netip.ParseAddr(u.Hostname())
		return err == nil && ip.Is6() && ip.Zone() == ""
	}
	return regexp.MustCompile(`^[a-zA-Z0-9._-]+$`).MatchString(u.Hostname())
}

func (t *ProbeTarget) http(u *url.URL) error {
	t.Kind, t.Path, t.Query = ProbeHTTP, u.EscapedPath(), u.RawQuery
	if t.Path == "" {
		t.Path = "/"
	}
	if t.Port == "" && t.Host != "" {
		t.Port = "80"
		if t.TLS {
			t.Port = "443"
		}
	}
	return t.checkPort()
}

func (t *ProbeTarget) tcp(u *url.URL) error {
	t.Kind = ProbeTCP
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return errors.New("there is nothing beside host and port")
	}
	return t.checkPort()
}

func (t *ProbeTarget) file(u *url.URL) error {
	t.Kind, t.MaxAge = ProbeFile, defaultMaxAge
	if u.Host != "" || u.User != nil {
		return errors.New("the file is in the worker's own container, and three slashes lead to it")
	}
	if t.Path = path.Clean(u.Path); t.Path == "/" || t.Path == "." || strings.ContainsRune(t.Path, 0) {
		return errors.New("no path of a file")
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the part after ? cannot be read")
	}
	if _, found := values["max-age"]; len(values) > 1 || len(values) == 1 && !found || len(values["max-age"]) > 1 {
		return errors.New("the only parameter is max-age, once")
	}
	if !values.Has("max-age") {
		return nil
	}
	switch t.MaxAge, err = ParseDuration(values.Get("max-age")); {
	case err != nil:
		return fmt.Errorf("max-age: %w", err)
	case t.MaxAge == 0:
		return errors.New("max-age must be more than 0")
	}
	return nil
}

func (t *ProbeTarget) checkPort() error {
	if t.Port == "" {
		return errors.New("no port")
	}
	n, err := strconv.ParseUint(t.Port, 10, 16)
	if err != nil || n == 0 {
		return errors.New("the port is not a number from 1 to 65535")
	}
	t.Port = strconv.FormatUint(n, 10)
	return nil
}

// String returns the URL without user, password and query.
func (t ProbeTarget) String() string {
	userinfo, query := "", ""
	if t.User+t.Password != "" {
		userinfo = "***@"
	}
	if t.Query != "" {
		query = "?…"
	}
	host := t.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch t.Kind {
	case ProbeHTTP:
		return t.Scheme() + "://" + userinfo + host + ":" + t.Port + t.Path + query
	case ProbeTCP:
		return "tcp://" + host + ":" + t.Port
	case ProbeFile:
		return "file://" + (&url.URL{Path: t.Path}).EscapedPath() + "?max-age=" + plain(t.MaxAge)
	case ProbeNone:
	}
	return ""
}

// Scheme returns the scheme of the URL.
func (t ProbeTarget) Scheme() string {
	switch {
	case t.Kind == ProbeTCP:
		return "tcp"
	case t.Kind == ProbeFile:
		return "file"
	case t.TLS:
		return "https"
	}
	return "http"
}

// GoString returns String, for %#v.
func (t ProbeTarget) GoString() string { return t.String() }

// MarshalText returns String, for JSON and logs.
func (t ProbeTarget) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// ShownProbe returns the value of stoker.probe for display: without user, password and query.
func ShownProbe(value string) string {
	if t, err := ParseProbe(value); err == nil {
		return t.String()
	}
	if strings.ContainsAny(value, "@?") {
		return hidden
	}
	return value
}
