package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
)

func TestProbeTargets(t *testing.T) {
	for text, want := range map[string]policy.ProbeTarget{
		"http://:8000/health":               {Kind: policy.ProbeHTTP, Port: "8000", Path: "/health"},
		"HTTP://:08000":                     {Kind: policy.ProbeHTTP, Port: "8000", Path: "/"},
		"https://:8443/a%2Fb?c=d":           {Kind: policy.ProbeHTTP, TLS: true, Port: "8443", Path: "/a%2Fb", Query: "c=d"},
		"http://other/":                     {Kind: policy.ProbeHTTP, Host: "other", Port: "80", Path: "/"},
		"https://Other.lan":                 {Kind: policy.ProbeHTTP, TLS: true, Host: "other.lan", Port: "443", Path: "/"},
		"http://u:p%40@:1/":                 {Kind: policy.ProbeHTTP, Port: "1", Path: "/", User: "u", Password: "p@"},
		"http://[fd00::2]:80/":              {Kind: policy.ProbeHTTP, Host: "fd00::2", Port: "80", Path: "/"},
		"tcp://:5672":                       {Kind: policy.ProbeTCP, Port: "5672"},
		"tcp://[::1]:65535/":                {Kind: policy.ProbeTCP, Host: "::1", Port: "65535"},
		"file:///tmp/beat":                  {Kind: policy.ProbeFile, Path: "/tmp/beat", MaxAge: time.Minute},
		"file:///a//b/../c%20d?max-age=90s": {Kind: policy.ProbeFile, Path: "/a/c d", MaxAge: 90 * time.Second},
	} {
		got, err := policy.ParseProbe(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := policy.ParseProbe(got.String())
		require.NoError(t, err, got.String())
		if got.User+got.Query == "" {
			require.Equal(t, got, again, "what is shown can be written")
		}
	}
}

func TestBadProbes(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "not a URL; write http://:8000/health",
		":8000":                   "not a URL",
		"http:8000":               "not a URL",
		"exec://curl":             "Stoker runs no commands in a worker",
		"grpc://:1":               "tcp:// sees whether a port accepts",
		"ftp://:21":               "begin it with http://, https://, tcp:// or file://",
		"http:///health":          "no port; write http://:8000/health",
		"http://:/health":         "no port",
		"tcp://host":              "no port; write tcp://:5672",
		"tcp://:0":                "not a number from 1 to 65535",
		"tcp://:70000":            "not a number from 1 to 65535",
		"tcp://:1/path":           "nothing beside host and port",
		"tcp://u:p@:1":            "nothing beside host and port",
		"http://:x/":              "cannot be read as a URL",
		"http://a b/":             "cannot be read as a URL",
		"http://a;b:1/":           "neither a name nor an IP address",
		"http://[fe80::1%25e]:1":  "neither a name nor an IP address",
		"http://:1/#x":            "a # has no meaning here",
		"file://tmp/beat":         "three slashes lead to it",
		"file:///":                "no path of a file",
		"file://":                 "no path of a file",
		"file:///a/..":            "no path of a file",
		"file:///a?max-age=60":    "max-age: missing unit; write 60s",
		"file:///a?max-age=0s":    "max-age must be more than 0",
		"file:///a?max-age=-1s":   "max-age: less than 0",
		"file:///a?age=1s":        "the only parameter is max-age",
		"file:///a?max-age=1s&x":  "the only parameter is max-age",
		"file:///a?%zz":           "cannot be read",
		strings.Repeat("a", 5000): "longer than",
	} {
		_, err := policy.ParseProbe(text)
		require.ErrorContains(t, err, want, text)
	}
}

// Neither a format nor a problem of a label shows a secret.
func TestProbesHideSecrets(t *testing.T) {
	const secret = "geheim"
	target, err := policy.ParseProbe("http://" + secret + ":" + secret + "@:8000/health?token=" + secret)
	require.NoError(t, err)
	text, err := json.Marshal(target)
	require.NoError(t, err)
	for _, shown := range []string{string(text), fmt.Sprint(target), fmt.Sprintf("%+v", target), fmt.Sprintf("%#v", target), fmt.Sprintf("%q", target)} {
		require.NotContains(t, shown, secret)
		require.Contains(t, shown, "***@:8000/health?")
	}
	for _, bad := range []string{"http://u:" + secret + "@:x/", secret + "@host", "http://:1/?" + secret + "#", "tcp://" + secret + "@h:1"} {
		_, problems := policy.Defaults{Policy: policy.Default()}.Parse(map[string]string{"Stoker.Probe": bad})
		require.Len(t, problems, 1)
		require.NotContains(t, problems[0].String(), secret)
	}
	_, problems := policy.Defaults{Policy: policy.Default()}.Parse(map[string]string{"stoker.probe": "htp://:8000/health"})
	require.Equal(t, "htp://:8000/health", problems[0].Value, "without a secret it is of use")
}

func TestProbeLabels(t *testing.T) {
	parse := func(labels map[string]string) (policy.Probe, []policy.Problem) {
		p, problems := policy.Defaults{Policy: policy.Default()}.Parse(labels)
		return p.Probe, problems
	}
	unset, problems := parse(nil)
	require.Empty(t, problems)
	require.False(t, unset.Set())
	require.Equal(t, policy.Probe{Interval: 30 * time.Second, Timeout: 30 * time.Second, Retries: 3}, unset, "Docker's own defaults")
	p, problems := parse(map[string]string{
		"stoker.probe": "tcp://:1", "stoker.probe-interval": "5s", "stoker.probe-timeout": "2s", "stoker.probe-retries": "1", "stoker.probe-start-period": "1m",
	})
	require.Empty(t, problems)
	require.True(t, p.Set())
	require.Equal(t, policy.Probe{Target: p.Target, Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 1, StartPeriod: time.Minute}, p)
	require.Equal(t, 5*time.Second, p.Pace(0))
	p.Interval = time.Minute
	require.Equal(t, 5*time.Second, p.Pace(59*time.Second), "in the start period as often as Docker does")
	require.Equal(t, time.Minute, p.Pace(time.Minute))
	for label, value := range map[string]string{
		"stoker.probe-interval": "1ms", "stoker.probe-timeout": "1h", "stoker.probe-retries": "0", "stoker.probe-start-period": "soon", "stoker.probe": "x",
	} {
		_, problems := parse(map[string]string{"stoker.probe": "tcp://:1", label: value})
		require.Len(t, problems, 1, label)
		require.Equal(t, label, problems[0].Label)
	}
	_, problems = parse(map[string]string{"stoker.probe-retries": "2"})
	require.Contains(t, problems[0].Message, "has no effect without stoker.probe")

	all, problems := policy.ParseDefaults(map[string]string{"stoker.probe": "tcp://:1"}, nil)
	require.Empty(t, problems)
	one, problems := all.Parse(map[string]string{"stoker.probe": "off", "stoker.probe-retries": "2"})
	require.Empty(t, problems)
	require.False(t, one.Probe.Set(), "a worker can do without the probe of all")
}
