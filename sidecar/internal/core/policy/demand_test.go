package policy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
)

const someQueue = "redis://host/0?list=l"

func TestDemandLabels(t *testing.T) {
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   func(*Demand)
	}{
		{"a source", nil, func(*Demand) {}},
		{"hours", map[string]string{"stoker.hours": "Mon-Fri 08:00-19:00", "stoker.hours-replicas": "2"},
			func(d *Demand) { d.Hours, d.HoursReplicas = "Mon-Fri 08:00-19:00", 2 }},
		{"numbers", map[string]string{"stoker.demand-target": "0.5", "stoker.demand-activation": "3"}, func(d *Demand) { d.Target, d.Activation = 0.5, 3 }},
		{"the largest number", map[string]string{"stoker.demand-target": "1000000000000000"}, func(d *Demand) { d.Target = 1e15 }},
		{"the least number", map[string]string{"stoker.demand-target": "0.000001"}, func(d *Demand) { d.Target = 1e-6 }},
		{"the shortest interval", map[string]string{"stoker.demand-poll": "100ms"}, func(d *Demand) { d.Poll = 100 * time.Millisecond }},
		{"a minimum without a maximum", map[string]string{"stoker.min-replicas": "3"}, func(d *Demand) { d.Min = 3 }},
		{"a minimum and any maximum", map[string]string{"stoker.min-replicas": "3", "stoker.max-replicas": "All"}, func(d *Demand) { d.Min = 3 }},
		{"a minimum that is the maximum", map[string]string{"stoker.min-replicas": "3", "stoker.max-replicas": "3"}, func(d *Demand) { d.Min, d.Max = 3, 3 }},
		{"a fallback", map[string]string{"stoker.demand-fallback": "2"}, func(d *Demand) { d.Fallback = 2 }},
		{"the rest", map[string]string{"stoker.cooldown": "0s", "stoker.scale-down": "never", "stoker.clone-up-to": "6"},
			func(d *Demand) { d.Cooldown, d.ScaleDown, d.CloneUpTo = 0, ScaleDownNever, 6 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			labels := map[string]string{"stoker.demand": someQueue}
			want := defaultDemand()
			want.Source = someQueue
			for label, value := range c.labels {
				labels[label] = value
			}
			c.want(&want)
			p, problems := Defaults{Policy: Default()}.Parse(labels)
			require.Empty(t, problems)
			require.Equal(t, want, p.Demand)
		})
	}
}

func TestBadDemandLabels(t *testing.T) {
	for _, c := range []struct {
		name, label, value string
		more               map[string]string
		message            string
	}{
		{"no such source", "stoker.demand", "missing", map[string]string{"stoker.cooldown": "1m", "stoker.demand-poll": "1s"}, `no source is called "missing"`},
		{"not a number", "stoker.demand-target", "many", nil, "not a number"},
		{"no items for each worker", "stoker.demand-target", "0", nil, "must be more than 0"},
		{"too many items", "stoker.demand-target", "1000000000000001", nil, "too large a number"},
		{"too often", "stoker.demand-poll", "99ms", nil, "less than 100ms"},
		{"hours that are none", "stoker.hours", "Mon-Fri", map[string]string{"stoker.hours-replicas": "2"}, "not hours"},
		{"neither keep nor a number", "stoker.demand-fallback", "some", nil, "neither keep nor a whole number"},
		{"a minimum above the maximum", "stoker.max-replicas", "2", map[string]string{"stoker.min-replicas": "3"}, "the least cannot be more than the most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			labels := map[string]string{"stoker.demand": someQueue, c.label: c.value}
			for label, value := range c.more {
				labels[label] = value
			}
			_, problems := Defaults{Policy: Default()}.Parse(labels)
			require.Len(t, problems, 1)
			require.Equal(t, c.label, problems[0].Label)
			require.Contains(t, problems[0].Message, c.message)
		})
	}
}

// A label without effect is a problem: what its user wants does not happen.
func TestDemandLabelsWithoutEffect(t *testing.T) {
	for label, c := range map[string]struct {
		value                   string
		needsSource, needsHours bool
	}{
		"stoker.demand-target": {value: "2", needsSource: true}, "stoker.demand-activation": {value: "2", needsSource: true},
		"stoker.demand-fallback": {value: "2", needsSource: true}, "stoker.demand-poll": {value: "2s", needsSource: true},
		"stoker.min-replicas": {value: "2"}, "stoker.max-replicas": {value: "2"}, "stoker.cooldown": {value: "2s"}, "stoker.scale-down": {value: "never"},
		"stoker.clone-up-to": {value: "2"}, "stoker.hours-replicas": {value: "2", needsHours: true},
	} {
		number := func(more ...string) int {
			labels := map[string]string{label: c.value}
			for n := 0; n < len(more); n += 2 {
				labels[more[n]] = more[n+1]
			}
			_, problems := Defaults{Policy: Default()}.Parse(labels)
			return len(problems)
		}
		require.Equal(t, 1, number(), label)
		require.Equal(t, c.needsHours, number("stoker.demand", someQueue) == 1, label)
		require.Equal(t, c.needsSource, number("stoker.hours", "08:00-19:00") == 1, label)
		require.Zero(t, number("stoker.demand", someQueue, "stoker.hours", "08:00-19:00"), label)

		all, problems := ParseDefaults(map[string]string{"stoker.demand": someQueue, "stoker.hours": "08:00-19:00"}, nil)
		require.Empty(t, problems)
		_, problems = all.Parse(map[string]string{label: c.value})
		require.Empty(t, problems, "all workers have a source and hours")
	}
}

// A worker with a source of work hangs if it idles for two minutes while work waits, unless its user has set another time.
func TestIdleAfterWithDemand(t *testing.T) {
	for _, c := range []struct {
		name          string
		all, ofWorker map[string]string
		want          time.Duration
	}{
		{"without a source", nil, map[string]string{"stoker.hours": "08:00-19:00"}, 0},
		{"with a source", nil, map[string]string{"stoker.demand": someQueue}, 2 * time.Minute},
		{"the worker's own", nil, map[string]string{"stoker.demand": someQueue, "stoker.idle-after": "10m"}, 10 * time.Minute},
		{"off for the worker", nil, map[string]string{"stoker.demand": someQueue, "stoker.idle-after": "off"}, 0},
		{"of all workers", map[string]string{"stoker.idle-after": "5m"}, map[string]string{"stoker.demand": someQueue}, 5 * time.Minute},
		{"off for all workers", map[string]string{"stoker.idle-after": "off"}, map[string]string{"stoker.demand": someQueue}, 0},
		{"a source of all workers", map[string]string{"stoker.demand": someQueue}, nil, 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			defaults, problems := ParseDefaults(c.all, nil)
			require.Empty(t, problems)
			p, problems := defaults.Parse(c.ofWorker)
			require.Empty(t, problems)
			require.Equal(t, c.want, p.IdleAfter)
		})
	}
}

func TestDemandSettings(t *testing.T) {
	d := defaultDemand()
	require.False(t, d.Set())
	s, err := d.Settings(nil, time.UTC)
	require.NoError(t, err)
	require.Empty(t, s.Sources)
	require.False(t, s.Hours.Set())
	require.False(t, s.KeepAwake)

	queue, err := demand.ParseSource(someQueue)
	require.NoError(t, err)
	d.Source, d.ScaleDown = "tasks", ScaleDownNever
	require.True(t, d.Set())
	s, err = d.Settings(map[string][]demand.Source{"tasks": {queue}}, time.UTC)
	require.NoError(t, err)
	require.Equal(t, []demand.Source{queue}, s.Sources)
	require.True(t, s.KeepAwake)
	_, err = d.Settings(nil, time.UTC)
	require.ErrorContains(t, err, `no source is called "tasks"`)

	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	d = defaultDemand()
	d.Hours = "08:00-19:00"
	require.True(t, d.Set())
	s, err = d.Settings(nil, rome)
	require.NoError(t, err)
	require.True(t, s.Hours.Open(time.Date(2026, 6, 3, 6, 30, 0, 0, time.UTC)), "hours without a zone are Stoker's")
	d.Hours = "at night"
	_, err = d.Settings(nil, rome)
	require.Error(t, err)
}

func TestGroup(t *testing.T) {
	compose := map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "com.docker.compose.container-number": "3"}
	with := func(key, value string) map[string]string {
		labels := map[string]string{key: value}
		for k, v := range compose {
			if k != key {
				labels[k] = v
			}
		}
		return labels
	}
	for _, c := range []struct {
		name   string
		labels map[string]string
		group  string
		number int
	}{
		{"no labels: a group of its own", nil, "shop-web-3", 0},
		{"a Compose service", compose, "shop/web", 3},
		{"its label", with("Stoker.Group ", " night "), "night", 3},
		{"an empty label", with("stoker.group", " "), "shop/web", 3},
		{"a project without a service", with("com.docker.compose.service", ""), "shop-web-3", 3},
		{"a service without a project", with("com.docker.compose.project", ""), "shop-web-3", 3},
		{"a number that is none", with("com.docker.compose.container-number", "x"), "shop/web", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			group, number := Group(c.labels, "shop-web-3")
			require.Equal(t, c.group, group)
			require.Equal(t, c.number, number)
		})
	}
}

func TestCloneName(t *testing.T) {
	require.True(t, IsClone(map[string]string{"stoker.clone-of": "web-1"}))
	require.False(t, IsClone(nil))
	for _, c := range []struct {
		name   string
		number int
		want   string // empty: there is none
	}{
		{"shop-web-3", 3, "shop-web-12"},
		{"shop_web_3", 3, "shop_web_12"},
		{"shop-web-13", 3, ""},
		{"web3", 3, ""},
		{"shop-web-3", 4, ""},
		{"web-0", 0, ""},
		{"3", 3, ""},
		{"web", 0, ""},
	} {
		name, err := CloneName(c.name, c.number, 12)
		require.Equal(t, c.want, name)
		require.Equal(t, c.want == "", err != nil, c.name)
	}
}
