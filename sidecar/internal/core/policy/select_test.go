package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSelect(t *testing.T) {
	type labels = map[string]string
	var (
		byLabel = Selector{Mode: ModeLabel}
		byQuota = Selector{Mode: ModeQuota}
		all     = Selector{Mode: ModeAll}
		night   = Selector{Mode: ModeLabel, Scope: "night"}
		compat  = Selector{Mode: ModeLabel, Compat: []Compat{CompatAutoheal, CompatDeunhealth}}
	)
	tests := []struct {
		name     string
		selector Selector
		labels   labels
		why      Why
	}{
		{"zero selector", Selector{}, labels{"stoker.enable": "true"}, WhyEnabled},
		{"no labels", byLabel, nil, WhyNoLabels},
		{"other labels only", byLabel, labels{"a": "b"}, WhyNoLabels},
		{"enabled", byLabel, labels{"stoker.enable": "true"}, WhyEnabled},
		{"enabled as YAML has it", byLabel, labels{"Stoker.Enable": " Yes "}, WhyEnabled},
		{"labels without enable", byLabel, labels{"stoker.on-exit": "never"}, WhyNotEnabled},
		{"disabled", byLabel, labels{"stoker.enable": "false"}, WhyDisabled},
		{"disabled, by quota", byQuota, labels{"stoker.enable": "no"}, WhyDisabled},
		{"disabled, all", all, labels{"stoker.enable": "0"}, WhyDisabled},
		{"bad value", byLabel, labels{"stoker.enable": "ture"}, WhyEnableUnclear},
		{"bad value, all", all, labels{"stoker.enable": "flase"}, WhyEnableUnclear},
		{"no value", byLabel, labels{"stoker.enable": ""}, WhyEnableUnclear},
		{"bad key", byLabel, labels{"stoker.enabled": "true"}, WhyEnableUnclear},
		{"bad key beside a good one", byLabel, labels{"stoker.enabled": "true", "stoker.enable": "false"}, WhyDisabled},
		{"set twice", byLabel, labels{"stoker.enable": "true", "STOKER.ENABLE": "false"}, WhyEnableUnclear},
		{"slip in the prefix", byLabel, labels{"stocker.enable": "true"}, WhyEnableUnclear},
		{"letter missing", byLabel, labels{"stokr.Enable": "true"}, WhyEnableUnclear},
		{"letters swapped", byLabel, labels{"sotker.enable": "true"}, WhyEnableUnclear},
		{"dash for the dot", byLabel, labels{"stoker-enable": "true"}, WhyEnableUnclear},
		{"slip in another label", byLabel, labels{"stocker.on-exit": "never"}, WhyNotEnabled},
		{"another tool's prefix", byLabel, labels{"broker.enable": "true", "toke.scope": "a", ".enable": "", "stoker": "x"}, WhyNoLabels},
		{"another tool's label", byLabel, labels{"stocker.price": "3"}, WhyNoLabels},
		{"key that means the opposite", byLabel, labels{"stoker.disable": "true"}, WhyNotEnabled},
		{"all", all, nil, WhyAll},

		{"own scope", night, labels{"stoker.enable": "true", "stoker.scope": " night"}, WhyEnabled},
		{"scopes have case", night, labels{"stoker.enable": "true", "stoker.scope": "Night"}, WhyOtherScope},
		{"scoped Stoker, unscoped container", night, labels{"stoker.enable": "true"}, WhyOtherScope},
		{"scoped Stoker, silent container", night, nil, WhyNoLabels},
		{"unscoped Stoker, scoped container", byLabel, labels{"stoker.enable": "true", "stoker.scope": "night"}, WhyOtherScope},
		{"empty scope is none", byLabel, labels{"stoker.enable": "true", "stoker.scope": ""}, WhyEnabled},
		{"scope before enable", byLabel, labels{"stoker.enable": "false", "stoker.scope": "night"}, WhyOtherScope},
		{"scope twice", night, labels{"stoker.enable": "true", "stoker.scope": "day", "stoker.Scope": "night"}, WhyEnabled},
		{"scoped, all", Selector{Mode: ModeAll, Scope: "night"}, nil, WhyOtherScope},

		{"autoheal", compat, labels{"autoheal": "true"}, WhyCompatAutoheal},
		{"autoheal, any case", compat, labels{"autoheal": "True"}, WhyCompatAutoheal},
		{"autoheal unasked", byLabel, labels{"autoheal": "true"}, WhyNoLabels},
		{"autoheal opt-out", Selector{Mode: ModeAll, Compat: []Compat{CompatAutoheal}}, labels{"autoheal": "False"}, WhyDisabled},
		{"autoheal nonsense", compat, labels{"autoheal": "maybe"}, WhyNoLabels},
		{"deunhealth", compat, labels{"deunhealth.restart.on.unhealthy": "true"}, WhyCompatDeunhealth},
		{"deunhealth false", compat, labels{"deunhealth.restart.on.unhealthy": "false"}, WhyNoLabels},
		{"one refuses, the other asks", compat, labels{"autoheal": "false", "deunhealth.restart.on.unhealthy": "true"}, WhyCompatDeunhealth},
		{"disabled beats compat", compat, labels{"autoheal": "true", "stoker.enable": "false"}, WhyDisabled},
		{"enabled beats compat", compat, labels{"autoheal": "true", "stoker.enable": "true"}, WhyEnabled},
		{"compat beats mode", Selector{Mode: ModeQuota, Compat: []Compat{CompatAutoheal}}, labels{"autoheal": "true"}, WhyCompatAutoheal},
		{"compat in another scope", Selector{Scope: "night", Compat: []Compat{CompatAutoheal}}, labels{"autoheal": "true"}, WhyOtherScope},
	}
	taken := map[Why]bool{
		WhyEnabled: true, WhyAll: true, WhyHasQuota: true, WhyEnableUnclear: true,
		WhyCompatAutoheal: true, WhyCompatDeunhealth: true,
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			verdict := test.selector.Select(Candidate{Labels: test.labels})
			require.Equal(t, test.why, verdict.Why)
			require.Equal(t, taken[test.why], verdict.Take)
			require.False(t, verdict.Undecided)
			if test.why == WhyEnableUnclear {
				require.NotEmpty(t, verdict.Problems, "taken to be held and shown")
			}
			if test.why == WhyDisabled || test.why == WhyOtherScope {
				require.Empty(t, verdict.Problems)
			}
		})
	}
}

func TestSelectByQuota(t *testing.T) {
	byQuota := Selector{Mode: ModeQuota}
	require.Equal(t, Verdict{Undecided: true, Why: WhyQuotaUnknown}, byQuota.Select(Candidate{}))
	require.Equal(t, Verdict{Why: WhyNoQuota}, byQuota.Select(Candidate{QuotaKnown: true}))
	require.Equal(t, Verdict{Take: true, Why: WhyHasQuota}, byQuota.Select(Candidate{QuotaKnown: true, CPUs: 0.5}))
	require.Equal(t, Verdict{Take: true, Why: WhyEnabled},
		byQuota.Select(Candidate{Labels: map[string]string{"stoker.enable": "on"}}), "asked for, whatever the quota")
}

// Select reports the problems of the labels that select, also of misspelt ones, and of no others.
func TestProblemsOfSelection(t *testing.T) {
	for label, reported := range map[string]bool{
		"stoker.enabled": true, "stoker.scopes": true, "Stoker.Scope": true, "stoker.cpus": false, "stoker.stop-timout": false, "stoker.zzz": false,
	} {
		v := Selector{}.Select(Candidate{Labels: map[string]string{"stoker.enable": "true", "stoker.scope": "", label: "x"}})
		if !reported {
			require.Empty(t, v.Problems, label)
			continue
		}
		require.Len(t, v.Problems, 1, label)
	}
}

// Two Stokers with different scopes never both manage a container.
func TestScopesShareNothing(t *testing.T) {
	scope := rapid.SampledFrom([]string{"", "a", "b"})
	rapid.Check(t, func(t *rapid.T) {
		labels := map[string]string{}
		for _, key := range []string{"stoker.enable", "stoker.scope", "autoheal"} {
			if rapid.Bool().Draw(t, key) {
				labels[key] = rapid.SampledFrom([]string{"", "a", "b", "true", "false"}).Draw(t, key+" value")
			}
		}
		mode := rapid.SampledFrom([]Mode{ModeLabel, ModeQuota, ModeAll}).Draw(t, "mode")
		one := Selector{Mode: mode, Scope: scope.Draw(t, "one"), Compat: []Compat{CompatAutoheal}}
		two := Selector{Mode: mode, Scope: scope.Draw(t, "two"), Compat: []Compat{CompatAutoheal}}
		c := Candidate{Labels: labels, CPUs: 1, QuotaKnown: true}
		if one.Scope != two.Scope {
			require.False(t, one.Select(c).Take && two.Select(c).Take)
		}
	})
}

func TestRead(t *testing.T) {
	type labels = map[string]string
	base := Default()
	base.OnExit, base.StopTimeout = OnExitFailure, 20*time.Second
	rules := Rules{
		Selector: Selector{Compat: []Compat{CompatAutoheal, CompatDeunhealth}},
		Defaults: Defaults{Policy: base},
	}
	tests := []struct {
		name     string
		labels   labels
		why      Why
		want     func(*Policy)
		problems []string
	}{
		{"Stoker's own", labels{"stoker.enable": "true"}, WhyEnabled, func(*Policy) {}, nil},
		{"deunhealth ignores exits", labels{"deunhealth.restart.on.unhealthy": "true", "autoheal.stop.timeout": "7"},
			WhyCompatDeunhealth, func(p *Policy) { p.OnExit = OnExitNever }, nil},
		{"autoheal's stop timeout", labels{"autoheal": "true", "autoheal.stop.timeout": "240"}, WhyCompatAutoheal,
			func(p *Policy) { p.OnExit, p.StopTimeout = OnExitNever, 240*time.Second }, nil},
		{"the worker's own labels win", labels{"autoheal": "true", "autoheal.stop.timeout": "240", "stoker.stop-timeout": "1s", "stoker.on-exit": "always"},
			WhyCompatAutoheal, func(p *Policy) { p.OnExit, p.OnExitExplicit, p.StopTimeout = OnExitAlways, true, time.Second }, nil},
		{"enabled: left-over labels mean nothing", labels{"stoker.enable": "true", "autoheal": "true", "autoheal.stop.timeout": "x"},
			WhyEnabled, func(*Policy) {}, nil},
		{"bad label of the other tool", labels{"autoheal": "true", "autoheal.stop.timeout": "-1", "stoker.cpus": "x"}, WhyCompatAutoheal,
			func(p *Policy) { p.OnExit = OnExitNever }, []string{"autoheal.stop.timeout", "stoker.cpus"}},
		{"all problems of a worker", labels{"stoker.enabled": "true", "stoker.cpus": "x"}, WhyEnableUnclear,
			func(*Policy) {}, []string{"stoker.cpus", "stoker.enabled"}},
		{"advice for one that is not taken", labels{"stoker.cpus": "x"}, WhyNotEnabled, func(*Policy) {}, []string{"stoker.cpus"}},
		{"not ours to judge", labels{"stoker.enable": "false", "stoker.cpus": "x"}, WhyDisabled, func(*Policy) {}, nil},
		{"another Stoker's", labels{"stoker.scope": "a", "stoker.cpus": "x"}, WhyOtherScope, func(*Policy) {}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := base
			test.want(&want)
			reading := rules.Read(Candidate{Labels: test.labels})
			require.Equal(t, test.why, reading.Why)
			require.Equal(t, want, reading.Policy)
			var about []string
			for _, p := range reading.Problems {
				about = append(about, p.Label)
			}
			require.Equal(t, test.problems, about)
		})
	}
	require.Equal(t, OnExitFailure, rules.Policy.OnExit, "reading leaves the rules alone")
}

// "- stoker.enable:true" in Compose's list form is a label of that whole name. It counts as a mistake, not as unlabelled.
func TestColonInTheListForm(t *testing.T) {
	rules := Rules{Selector: Selector{Compat: []Compat{CompatAutoheal, CompatDeunhealth}}, Defaults: Defaults{Policy: Default()}}
	for key, name := range map[string]string{
		"stoker.enable:true": "stoker.enable", "Stoker.Enable: true": "stoker.enable", "autoheal:true": "autoheal",
		"deunhealth.restart.on.unhealthy:true": "deunhealth.restart.on.unhealthy",
	} {
		reading := rules.Read(Candidate{Labels: map[string]string{key: ""}})
		require.Equal(t, WhyEnableUnclear, reading.Why, key)
		require.True(t, reading.Take, "managed, so that it is held and shown")
		require.Len(t, reading.Problems, 1)
		require.Equal(t, key, reading.Problems[0].Label)
		require.Equal(t, name, reading.Problems[0].Nearest)
		require.Contains(t, reading.Problems[0].Message, name+"=")
	}
	for _, key := range []string{"stoker.stop-timeout:30s", "autoheal.stop.timeout:30"} {
		reading := rules.Read(Candidate{Labels: map[string]string{"stoker.enable": "true", key: ""}})
		require.Len(t, reading.Problems, 1, key)
	}
	require.Empty(t, Rules{Defaults: rules.Defaults}.Read(Candidate{Labels: map[string]string{"autoheal:true": ""}}).Problems, "without STOKER_COMPAT")
}

// MayManage agrees with Read.
func TestMayManageAgreesWithRead(t *testing.T) {
	keys := []string{"stoker.enable", "Stoker.Enable", "stoker.enabled", "stocker.enable", "stoker.enable:true", "stoker.scope", "stoker.cpus", "autoheal",
		"autoheal:true", "autoheal.stop.timeout", "deunhealth.restart.on.unhealthy", "com.docker.compose.service"}
	rapid.Check(t, func(t *rapid.T) {
		labels := map[string]string{}
		for _, key := range keys {
			if rapid.Bool().Draw(t, key) {
				labels[key] = rapid.SampledFrom([]string{"", "a", "true", "false", "1"}).Draw(t, key+" value")
			}
		}
		rules := Rules{Defaults: Defaults{Policy: Default()}, Selector: Selector{
			Mode:   rapid.SampledFrom([]Mode{ModeLabel, ModeQuota, ModeAll}).Draw(t, "mode"),
			Scope:  rapid.SampledFrom([]string{"", "a"}).Draw(t, "scope"),
			Compat: rapid.SliceOfDistinct(rapid.SampledFrom([]Compat{CompatAutoheal, CompatDeunhealth}), func(c Compat) Compat { return c }).Draw(t, "compat"),
		}}
		read := rules.Read(Candidate{Labels: labels})
		require.Equal(t, read.Take || read.Undecided, rules.MayManage(labels))
	})
}

func TestPredicates(t *testing.T) {
	require.True(t, SwarmTask(map[string]string{"com.docker.swarm.task.id": "x"}))
	require.False(t, SwarmTask(nil))
	require.True(t, OneOff(map[string]string{"com.docker.compose.oneoff": "True"}))
	require.True(t, OneOff(map[string]string{"com.docker.compose.oneoff": "true"}))
	require.False(t, OneOff(map[string]string{"com.docker.compose.oneoff": "False"}))
	require.False(t, OneOff(nil))
}
