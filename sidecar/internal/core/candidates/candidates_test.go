package candidates_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/policy"
)

func labelled(name string, pairs ...string) candidates.Container {
	c := candidates.Container{Name: name, Running: true, Labels: map[string]string{}}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		c.Labels[key] = value
	}
	return c
}

func limited(name string, cpus float64, pairs ...string) candidates.Container {
	c := labelled(name, pairs...)
	c.CPUs = cpus
	return c
}

// A container with labels for Stoker is listed with what is missing; one without is not.
func TestNear(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		selector policy.Selector
		labels   []string
		why      string // empty: not listed
	}{
		"no labels":            {policy.Selector{}, nil, ""},
		"other labels":         {policy.Selector{}, []string{"com.docker.compose.project=shop", "traefik.enable=true"}, ""},
		"no enable":            {policy.Selector{}, []string{"stoker.on-exit=never"}, "stoker.enable=true"},
		"disabled":             {policy.Selector{}, []string{"stoker.enable=false"}, "exclude it"},
		"scoped, not here":     {policy.Selector{}, []string{"stoker.enable=true", "stoker.scope=prod"}, "stoker.scope=prod, and this Stoker has no STOKER_SCOPE"},
		"another scope":        {policy.Selector{Scope: "test"}, []string{"stoker.enable=true", "stoker.scope=prod"}, "STOKER_SCOPE=test"},
		"no scope, scope here": {policy.Selector{Scope: "test"}, []string{"stoker.enable=true"}, "has no stoker.scope"},
		"only the name":        {policy.Selector{}, []string{"stoker=true"}, "stoker=true is none of Stoker's"},
		"a reversed domain":    {policy.Selector{}, []string{"com.example.stoker=yes"}, "write stoker.enable=true"},
		"a name, and no yes":   {policy.Selector{}, []string{"com.example.stoker=v2"}, ""},
		"autoheal":             {policy.Selector{}, []string{"autoheal=true"}, "STOKER_COMPAT=autoheal"},
		"deunhealth":           {policy.Selector{}, []string{"deunhealth.restart.on.unhealthy=true"}, "STOKER_COMPAT=deunhealth"},
		"two such names":       {policy.Selector{}, []string{"z.stoker=yes", "a.stoker=yes"}, "a.stoker=yes is none of"},
		"autoheal, not wanted": {policy.Selector{}, []string{"autoheal=false"}, ""},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := candidates.Advise(tt.selector, "", []candidates.Container{labelled("one", tt.labels...)})
			require.Equal(t, 1, a.Containers)
			if tt.why == "" {
				require.Empty(t, a.Near)
				return
			}
			require.Len(t, a.Near, 1)
			require.Equal(t, "one", a.Near[0].Name)
			require.Contains(t, a.Near[0].Why, tt.why)
			require.Contains(t, a.String(), "one: "+a.Near[0].Why)
		})
	}
}

// Containers with a quota are offered, running ones first; those that Stoker never manages are not.
func TestQuotas(t *testing.T) {
	t.Parallel()
	stopped := limited("a-stopped", 2)
	stopped.Running = false
	a := candidates.Advise(policy.Selector{}, "shop-stoker-1", []candidates.Container{
		stopped, limited("z", 0.5), limited("b", 1.5), labelled("unlimited"), limited("near", 1, "stoker.on-exit=never"),
		limited("task", 1, "com.docker.swarm.task.id=x"), limited("once", 1, "com.docker.compose.oneoff=True"),
		limited("another-stoker", 1, "org.opencontainers.image.title=Stoker"),
	})
	require.Equal(t, 5, a.Containers)
	require.Equal(t, []candidates.Quota{{Name: "b", CPUs: 1.5}, {Name: "z", CPUs: 0.5}, {Name: "a-stopped", CPUs: 2}}, a.Quotas)
	require.Contains(t, a.String(), "b (1.5), z (0.5), a-stopped (2)")
}

// The lines to add match the selector.
func TestLines(t *testing.T) {
	t.Parallel()
	check := "docker exec s /stoker check"
	add, scoped, all := "labels: [stoker.enable=true]", "labels: [stoker.enable=true, stoker.scope=prod]", "STOKER_SELECT=quota"
	cases := map[string]struct {
		selector policy.Selector
		there    []candidates.Container
		code     []string
	}{
		"nothing":           {policy.Selector{}, nil, []string{check, add}},
		"no quotas":         {policy.Selector{}, []candidates.Container{labelled("a")}, []string{check, add}},
		"quotas":            {policy.Selector{}, []candidates.Container{limited("a", 1)}, []string{check, add, all}},
		"quotas, scope":     {policy.Selector{Scope: "prod"}, []candidates.Container{limited("a", 1)}, []string{check, scoped, all}},
		"by quota":          {policy.Selector{Mode: policy.ModeQuota}, []candidates.Container{labelled("a")}, []string{check, "docker update --cpus 0.5 CONTAINER"}},
		"all":               {policy.Selector{Mode: policy.ModeAll}, nil, []string{check}},
		"all, with a scope": {policy.Selector{Mode: policy.ModeAll, Scope: "prod"}, []candidates.Container{labelled("a")}, []string{check, "labels: [stoker.scope=prod]"}},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var code []string
			for _, l := range candidates.Advise(tt.selector, "s", tt.there).Lines() {
				require.NotEmpty(t, l.Text)
				require.NotContains(t, l.Text+l.Code, "\n")
				if l.Code != "" {
					code = append(code, l.Code)
				}
			}
			require.Equal(t, tt.code, code)
		})
	}
	require.Contains(t, candidates.Advise(policy.Selector{}, "", nil).String(), ": `stoker check`;", "outside of a container")
}

// A log line has a maximum length, whatever the number of containers.
func TestManyAreCounted(t *testing.T) {
	t.Parallel()
	var many []candidates.Container
	for n := range 300 {
		name := "c" + strings.Repeat("i", n%7) + string(rune('a'+n%26))
		many = append(many, limited(name, 1), labelled(name, "stoker.scope="+strings.Repeat("x", 5000)))
	}
	a := candidates.Advise(policy.Selector{}, "", many)
	require.Len(t, a.Quotas, 300)
	require.Len(t, a.Near, 300)
	require.Contains(t, a.String(), ", 295 more.")
	require.Contains(t, a.String(), "295 more have such labels.")
	require.Less(t, len(a.String()), 2500)
}

// The first line describes what was looked for and what is there.
func TestFound(t *testing.T) {
	t.Parallel()
	one, two := []candidates.Container{labelled("a")}, []candidates.Container{labelled("a"), limited("b", 0.5)}
	scoped := policy.Selector{Scope: "prod"}
	cases := map[string]struct {
		selector policy.Selector
		there    []candidates.Container
		want     string
	}{
		"nothing":           {policy.Selector{}, nil, "There is no container but Stoker's own."},
		"one":               {policy.Selector{}, one, "The only other container does not have stoker.enable=true."},
		"a quota":           {policy.Selector{}, two, "None of 2 containers has stoker.enable=true; with a CPU quota, so probably workers: b (0.5)."},
		"a quota, a scope":  {scoped, two, "None of 2 containers has stoker.enable=true and stoker.scope=prod; with a CPU quota: b (0.5)."},
		"by quota":          {policy.Selector{Mode: policy.ModeQuota}, one, "The only other container does not have a CPU quota."},
		"by quota, a scope": {policy.Selector{Mode: policy.ModeQuota, Scope: "prod"}, one, "The only other container does not have a CPU quota and stoker.scope=prod."},
		"all":               {policy.Selector{Mode: policy.ModeAll}, one, "Every other container has a stoker.scope."},
	}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, candidates.Advise(tt.selector, "", tt.there).Lines()[0].Text)
		})
	}
}
