package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestParseGood(t *testing.T) {
	tests := []struct {
		label, value string
		want         func(*Policy)
	}{
		{"stoker.enable", "true", func(*Policy) {}},
		{"stoker.enable", "OFF", func(*Policy) {}},
		{"stoker.scope", "night", func(*Policy) {}},
		{"stoker.scope", "", func(*Policy) {}},
		{"stoker.on-exit", "always", func(p *Policy) { p.OnExitExplicit = true }},
		{"stoker.on-exit", " Failure ", func(p *Policy) { p.OnExit, p.OnExitExplicit = OnExitFailure, true }},
		{"stoker.on-exit", "never", func(p *Policy) { p.OnExit, p.OnExitExplicit = OnExitNever, true }},
		{"STOKER.On-Exit", "never", func(p *Policy) { p.OnExit, p.OnExitExplicit = OnExitNever, true }},
		{"stoker.on-unhealthy", "recreate", func(p *Policy) { p.OnUnhealthy = OnUnhealthyRecreate }},
		{"stoker.on-unhealthy", "ignore", func(p *Policy) { p.OnUnhealthy = OnUnhealthyIgnore }},
		{"stoker.on-missing", "recreate", func(p *Policy) { p.OnMissing = OnMissingRecreate }},
		{"stoker.on-starved", "boost", func(p *Policy) { p.OnStarved = OnStarvedBoost }},
		{"stoker.on-starved", "restart", func(p *Policy) { p.OnStarved = OnStarvedRestart }},
		{"stoker.starved-grace", "0s", func(p *Policy) { p.StarvedGrace = 0 }},
		{"stoker.starved-grace", "1m30s", func(p *Policy) { p.StarvedGrace = 90 * time.Second }},
		{"stoker.boost-cpus", "1.5", func(p *Policy) { p.BoostCPUs = 1.5 }},
		{"stoker.idle-after", "10m", func(p *Policy) { p.IdleAfter = 10 * time.Minute }},
		{"stoker.idle-after", "off", func(*Policy) {}},
		{"stoker.idle-after", "false", func(*Policy) {}},
		{"stoker.idle-after", "0", func(*Policy) {}},
		{"stoker.idle-below", "2.5%", func(p *Policy) { p.IdleBelow = 0.025 }},
		{"stoker.idle-below", "0 %", func(p *Policy) { p.IdleBelow = 0 }},
		{"stoker.idle-below", "100%", func(p *Policy) { p.IdleBelow = 1 }},
		{"stoker.cpus", "0.01", func(p *Policy) { p.CPUs, p.CPUsExplicit = 0.01, true }},
		{"stoker.cpus", ".5", func(p *Policy) { p.CPUs, p.CPUsExplicit = 0.5, true }},
		{"stoker.unhealthy-for", "30s", func(p *Policy) { p.UnhealthyFor = 30 * time.Second }},
		{"stoker.stop-timeout", "0", func(p *Policy) { p.StopTimeout = 0 }},
		{"stoker.stop-timeout", "90s", func(p *Policy) { p.StopTimeout = 90 * time.Second }},
		{"stoker.recreate-after", "0", func(p *Policy) { p.RecreateAfter = 0 }},
		{"stoker.max-attempts", "12", func(p *Policy) { p.MaxAttempts = 12 }},
		{"stoker.when-exhausted", "retry", func(p *Policy) { p.WhenExhausted = WhenExhaustedRetry }},
		{"stoker.retry-every", "1h", func(p *Policy) { p.RetryEvery = time.Hour }},
		{"stoker.backoff-initial", "100ms", func(p *Policy) { p.BackoffInitial = 100 * time.Millisecond }},
		{"stoker.backoff-max", "5m", func(p *Policy) { p.BackoffMax = 5 * time.Minute }},
		{"stoker.stable-after", "10s", func(p *Policy) { p.StableAfter = 10 * time.Second }},
		{"stoker.dependents", "none", func(p *Policy) { p.Dependents = DependentsNone }},
		{"com.docker.compose.project", "x", func(*Policy) {}},
		{"stoker", "x", func(*Policy) {}},
		{"stokerish.enable", "x", func(*Policy) {}},
	}
	for _, test := range tests {
		t.Run(test.label+"="+test.value, func(t *testing.T) {
			want := Default()
			test.want(&want)
			got, problems := Defaults{Policy: Default()}.Parse(map[string]string{test.label: test.value})
			require.Empty(t, problems)
			require.Equal(t, want, got)
		})
	}
}

func TestParseBad(t *testing.T) {
	tests := []struct{ label, value, message, nearest string }{
		{"stoker.enable", "ture", "neither true nor false; write true or false", ""},
		{"stoker.enable", "", "no value; give it one or take the label away", ""},
		{"stoker.enable", `"true"`, "neither true nor false; write true or false; the quotes are part of the value, leave them out", ""},
		{"stoker.on-exit", "no", "not one of always, failure, never", ""},
		{"stoker.on-exit", "falure", "not one of always, failure, never; did you mean failure?", ""},
		{"stoker.on-unhealthy", "kill", "not one of restart, recreate, stop, notify, ignore", ""},
		{"stoker.on-missing", "restart", "not one of ignore, recreate", ""},
		{"stoker.on-starved", "heal", "not one of wait, boost, restart", ""},
		{"stoker.starved-grace", "120", "missing unit; write 120s", ""},
		{"stoker.boost-cpus", "0", "less than 0.01 CPUs, the least that Docker grants", ""},
		{"stoker.boost-cpus", "two", "not a number of CPUs; write it such as 0.5 or 2", ""},
		{"stoker.idle-after", "1", "missing unit; write 1s", ""},
		{"stoker.idle-after", "-5m", "less than 0", ""},
		{"stoker.idle-below", "1", "missing %; write 1%", ""},
		{"stoker.idle-below", "101%", "more than 100%", ""},
		{"stoker.idle-below", "101", "more than 100%", ""},
		{"stoker.idle-below", "-1%", "not a percentage; write it such as 1%", ""},
		{"stoker.cpus", "0,5", "not a number of CPUs; write it such as 0.5 or 2", ""},
		{"stoker.cpus", "500m", "not a number of CPUs; write it such as 0.5 or 2", ""},
		{"stoker.cpus", "NaN", "not a number of CPUs; write it such as 0.5 or 2", ""},
		{"stoker.cpus", "0x1p-2", "not a number of CPUs; write it such as 0.5 or 2", ""},
		{"stoker.cpus", "9999999999999999999", "more CPUs than a host can have", ""},
		{"stoker.unhealthy-for", "30 s", "not a duration; write it without spaces, such as 90s or 1m30s", ""},
		{"stoker.stop-timeout", "1.5", "missing unit; write 1.5s", ""},
		{"stoker.stop-timeout", "2d", "not a duration; write it such as 90s, 5m or 1h30m", ""},
		{"stoker.stop-timeout", "99999999999999999999", "too long; the longest is 876000h, a hundred years", ""},
		{"stoker.stop-timeout", "876001h", "too long; the longest is 876000h, a hundred years", ""},
		{"stoker.attempts-window", "0s", "must be more than 0", ""},
		{"stoker.final-codes", "2,64-", `"64-" is no exit code; write codes from 0 to 255 and ranges of them, such as 2,64-78`, ""},
		{"stoker.final-codes", "256", `"256" is no exit code; write codes from 0 to 255 and ranges of them, such as 2,64-78`, ""},
		{"stoker.final-codes", "78-64", `"78-64" ends below its start`, ""},
		{"stoker.recreate-after", "-1", "not a whole number of 0 or more", ""},
		{"stoker.recreate-after", "3.0", "not a whole number of 0 or more", ""},
		{"stoker.max-attempts", "99999999999", "too large a number", ""},
		{"stoker.when-exhausted", "stop", "not one of hold, retry", ""},
		{"stoker.retry-every", "0s", "must be more than 0", ""},
		{"stoker.backoff-initial", "0", "must be more than 0", ""},
		{"stoker.backoff-initial", "2m", "backoff-initial is 2m and backoff-max is 1m; the first wait cannot be longer than the longest", ""},
		{"stoker.backoff-max", "0s", "must be more than 0", ""},
		{"stoker.backoff-max", "500ms", "backoff-initial is 1s and backoff-max is 500ms; the first wait cannot be longer than the longest", ""},
		{"stoker.stable-after", "0", "must be more than 0", ""},
		{"stoker.dependents", "all", "not one of auto, none", ""},
		{"stoker.enabled", "true", "not a label of Stoker; did you mean stoker.enable?", "stoker.enable"},
		{"Stoker.onExit", "never", "not a label of Stoker; did you mean stoker.on-exit?", "stoker.on-exit"},
		{"stoker.stoptimeout", "9s", "not a label of Stoker; did you mean stoker.stop-timeout?", "stoker.stop-timeout"},
		{"stoker.disable", "true", "not a label of Stoker", ""},
		{"stoker.", "true", "not a label of Stoker", ""},
	}
	for _, test := range tests {
		t.Run(test.label+"="+test.value, func(t *testing.T) {
			got, problems := Defaults{Policy: Default()}.Parse(map[string]string{test.label: test.value})
			require.Equal(t, []Problem{{Label: test.label, Value: test.value, Message: test.message, Nearest: test.nearest}}, problems)
			require.Equal(t, Default(), got, "a bad label counts as not set")
		})
	}
}

func TestParseSeveral(t *testing.T) {
	tests := []struct {
		name     string
		labels   map[string]string
		problems []string
		want     func(*Policy)
	}{
		{"label twice", map[string]string{"stoker.on-exit": "never", "Stoker.On-Exit": "never"},
			[]string{`stoker.on-exit="never": set twice, the other time as "Stoker.On-Exit"; keep one`}, func(*Policy) {}},
		{"sorted, and the good ones count", map[string]string{
			"stoker.stop-timeout": "5", "stoker.max-attempts": "4", "stoker.cpus": "x", "stoker.zzz": "1",
		}, []string{
			`stoker.cpus="x": not a number of CPUs; write it such as 0.5 or 2`,
			`stoker.stop-timeout="5": missing unit; write 5s`,
			`stoker.zzz="1": not a label of Stoker`,
		}, func(p *Policy) { p.MaxAttempts = 4 }},
		{"both back-offs beyond the defaults", map[string]string{"stoker.backoff-initial": "2m", "stoker.backoff-max": "4m"},
			nil, func(p *Policy) { p.BackoffInitial, p.BackoffMax = 2*time.Minute, 4*time.Minute }},
		{"equal back-offs", map[string]string{"stoker.backoff-initial": "3s", "stoker.backoff-max": "3s"},
			nil, func(p *Policy) { p.BackoffInitial, p.BackoffMax = 3*time.Second, 3*time.Second }},
		{"boost below the quota", map[string]string{"stoker.boost-cpus": "1", "stoker.cpus": "1.5"},
			[]string{`stoker.boost-cpus="1": boost-cpus is 1 and cpus is 1.5; a boost cannot be less than the quota`}, func(*Policy) {}},
		{"boost of the quota", map[string]string{"stoker.boost-cpus": "1.5", "stoker.cpus": "1.5"},
			nil, func(p *Policy) { p.BoostCPUs, p.CPUs, p.CPUsExplicit = 1.5, 1.5, true }},
		{"one line whatever the container holds", map[string]string{"stoker.\n": strings.Repeat("\n", 200)},
			[]string{`stoker.\n="` + strings.Repeat(`\n`, 80) + `": not a label of Stoker`}, func(*Policy) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := Default()
			test.want(&want)
			got, problems := Defaults{Policy: Default()}.Parse(test.labels)
			var lines []string
			for _, p := range problems {
				lines = append(lines, p.String())
			}
			require.Equal(t, test.problems, lines)
			require.Equal(t, want, got)
		})
	}
}

func TestParseAgainstDefaults(t *testing.T) {
	defaults, problems := ParseDefaults(map[string]string{
		"stoker.on-exit": "never", "stoker.backoff-max": "10s", "stoker.boost-cpus": "1",
	}, nil)
	require.Empty(t, problems)
	require.False(t, defaults.Policy.OnExitExplicit, "a default is not the worker's own label")

	got, problems := defaults.Parse(map[string]string{"stoker.enable": "yes"})
	require.Empty(t, problems)
	require.Equal(t, defaults.Policy, got)

	got, problems = defaults.Parse(map[string]string{"stoker.on-exit": "ever"})
	require.Len(t, problems, 1)
	require.Equal(t, OnExitNever, got.OnExit, "the default in force, not the built-in one")
	require.False(t, got.OnExitExplicit)

	_, problems = defaults.Parse(map[string]string{"stoker.backoff-initial": "30s"})
	require.Len(t, problems, 1, "the label contradicts the environment")
	_, problems = defaults.Parse(map[string]string{"stoker.cpus": "2"})
	require.Len(t, problems, 1, "the label contradicts the environment")
}

func TestLabelsAgreeWithDefault(t *testing.T) {
	seen := map[string]bool{}
	for _, label := range Labels() {
		t.Run(label.Name, func(t *testing.T) {
			require.True(t, strings.HasPrefix(label.Name, "stoker."))
			require.Equal(t, strings.ToLower(label.Name), label.Name)
			require.False(t, seen[label.Name], "listed twice")
			seen[label.Name] = true
			require.NotEmpty(t, label.Meaning)
			require.NotContains(t, label.Meaning, "|", "breaks a Markdown table")
			if label.Name == LabelEnable || label.Name == LabelScope || label.Name == LabelGroup || label.Name == LabelCloneOf {
				require.Empty(t, label.Env)
				return
			}
			require.Equal(t, "STOKER_"+strings.ToUpper(strings.ReplaceAll(label.Name[len("stoker."):], "-", "_")), label.Env)

			if label.Default == NoDefault && label.Name != "stoker.cpus" {
				return
			}
			start := Default()
			err := label.set(&start, label.Default)
			if slices.Contains([]string{"stoker.boost-cpus", "stoker.cpus", "stoker.stop-timeout", "stoker.hours-replicas"}, label.Name) {
				require.Error(t, err, "a default in words")
				return
			}
			require.NoError(t, err)
			start.OnExitExplicit = false
			require.Equal(t, Default(), start, "the documented default is the one in force")
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, label := range Labels() {
		f.Add(label.Name, label.Default, "stoker.cpus", "0.5")
		f.Add(strings.ToUpper(label.Name), "0", label.Name, "-1")
	}
	f.Add("stoker.", "\x00", "STOKER.\xff", "9e999")
	f.Add("stoker.on_exit", "NEVER", "stoker.stop-timeout", "9223372036854775807ns")
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		labels := map[string]string{key1: value1, key2: value2}
		got, problems := Defaults{Policy: Default()}.Parse(labels)
		again, sameProblems := Defaults{Policy: Default()}.Parse(labels)
		require.Equal(t, got, again)
		require.Equal(t, problems, sameProblems)
		require.True(t, slices.IsSortedFunc(problems, byLabel))
		requireUsable(t, got)
		for _, p := range problems {
			require.Equal(t, label{p.Label, labels[p.Label]}.problem("").Value, p.Value)
			require.True(t, ours(p.Label) || p.Nearest != "", "another tool's label is no problem")
			require.True(t, p.Nearest == "" || slices.Contains(names(), p.Nearest))
			require.True(t, utf8.ValidString(p.String()))
			require.NotContains(t, p.String(), "\n")
			require.Less(t, len(p.String()), 3000)
		}
		Rules{Selector: Selector{Compat: []Compat{CompatAutoheal, CompatDeunhealth}}, Defaults: Defaults{Policy: Default()}}.
			Read(Candidate{Labels: labels})
	})
}

func requireUsable(t *testing.T, p Policy) {
	t.Helper()
	require.Positive(t, p.BackoffInitial)
	require.LessOrEqual(t, p.BackoffInitial, p.BackoffMax)
	require.Positive(t, p.StableAfter)
	require.Positive(t, p.RetryEvery)
	require.GreaterOrEqual(t, p.StopTimeout, OwnStopTimeout)
	for _, d := range []time.Duration{
		p.IdleAfter, p.StarvedGrace, p.UnhealthyFor, p.StopTimeout, p.BackoffInitial, p.BackoffMax, p.RetryEvery, p.StableAfter,
	} {
		require.LessOrEqual(t, d, Longest)
	}
	require.GreaterOrEqual(t, p.IdleAfter, time.Duration(0))
	require.GreaterOrEqual(t, p.StarvedGrace, time.Duration(0))
	require.GreaterOrEqual(t, p.UnhealthyFor, time.Duration(0))
	for attempt := range 70 {
		wait := p.Delay(attempt, uint64(attempt))
		require.True(t, wait >= 0 && wait <= p.BackoffMax)
	}
	require.True(t, p.IdleBelow >= 0 && p.IdleBelow <= 1)
	require.True(t, p.CPUs == 0 || p.CPUs >= leastCPUs)
	require.True(t, p.BoostCPUs == 0 || p.BoostCPUs >= max(leastCPUs, p.CPUs))
	require.GreaterOrEqual(t, p.MaxAttempts, 0)
	require.GreaterOrEqual(t, p.RecreateAfter, 0)
}
