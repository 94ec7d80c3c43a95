package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckService(t *testing.T) {
	enabled := map[string]string{"stoker.enable": "true"}
	for name, c := range map[string]struct {
		service          Service
		problems, advice int
	}{
		"unlabelled":            {Service{Labels: map[string]string{"a": "b"}, Condition: "on-failure"}, 0, 0},
		"as it should be":       {Service{ContainerLabels: enabled, Condition: "any", CPUs: 0.5}, 0, 0},
		"labels of the service": {Service{Labels: enabled, Condition: "any", CPUs: 0.5}, 1, 0},
		"labels in both places": {Service{Labels: enabled, ContainerLabels: enabled, Condition: "any", CPUs: 0.5}, 0, 0},
		"demand of a container": {Service{ContainerLabels: map[string]string{"stoker.demand": "x", "stoker.enable": "true"}, Condition: "any", CPUs: 1}, 0, 1},
		"on-failure":            {Service{ContainerLabels: enabled, Condition: "on-failure", CPUs: 1}, 0, 1},
		"on-failure, unchecked": {Service{ContainerLabels: enabled, Condition: "on-failure", CPUs: 1, Unchecked: true}, 0, 0},
		"none":                  {Service{ContainerLabels: enabled, Condition: "none", CPUs: 1}, 0, 1},
		"no limit":              {Service{ContainerLabels: enabled, Condition: "any"}, 0, 1},
		"attempts used up":      {Service{ContainerLabels: enabled, Condition: "any", CPUs: 1, MaxAttempts: 3, UsedUp: []string{"2"}}, 1, 0},
		"demand, not scaled":    {Service{Labels: map[string]string{"stoker.demand": "redis://h/0?list=l", "stoker.max-replicas": "3"}, ContainerLabels: enabled, Condition: "any", CPUs: 1}, 0, 1},
		"demand without most":   {Service{Labels: map[string]string{"stoker.demand": "redis://h/0?list=l"}, ContainerLabels: enabled, Condition: "any", CPUs: 1}, 1, 1},
		"a worker's label, too": {Service{Labels: map[string]string{"stoker.hours": "08:00-19:00", "stoker.max-replicas": "3", "stoker.cpus": "2"}, ContainerLabels: enabled, Condition: "any", CPUs: 1}, 1, 1},
		"attempts":              {Service{ContainerLabels: enabled, Condition: "any", CPUs: 1, MaxAttempts: 3}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			problems, advice := c.service.Check(Rules{Defaults: Defaults{Policy: Default()}}, false)
			require.Len(t, problems, c.problems)
			require.Len(t, advice, c.advice)
		})
	}
}

func TestServiceDemand(t *testing.T) {
	for _, c := range []struct {
		name    string
		labels  map[string]string
		ok      bool
		message string // empty: no problem
	}{
		{"a source", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "3"}, true, ""},
		{"hours", map[string]string{"stoker.hours": "08:00-19:00", "stoker.max-replicas": "3"}, true, ""},
		{"neither", map[string]string{"stoker.max-replicas": "3"}, false, ""},
		{"turned off", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "3", "stoker.enable": "false"}, false, ""},
		{"another scope", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "3", "stoker.scope": "night"}, false, ""},
		{"the most", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "10000"}, true, ""},
		{"more than the most", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "10001"}, true, "more than 10000"},
		{"no maximum", map[string]string{"stoker.demand": someQueue}, true, "a service needs a number"},
		{"a source that is unknown", map[string]string{"stoker.demand": "missing", "stoker.max-replicas": "3"}, true, "no source is called"},
		{"all is no number", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "all"}, true, "a service needs a number"},
		{"a wrong label of a worker, which has no meaning here", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "3", "stoker.cpus": "x"}, true, ""},
		{"a group, which has no meaning here", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "3", "stoker.group": ""}, true, ""},
		{"clones, which a service has none", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "3", "stoker.clone-up-to": "x"}, true, ""},
		{"a misspelt label", map[string]string{"stoker.demand": someQueue, "stoker.max-replicas": "3", "stoker.cooldwon": "1m"}, true, "did you mean stoker.cooldown?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, problems, ok := Rules{Defaults: Defaults{Policy: Default()}}.ServiceDemand(c.labels)
			require.Equal(t, c.ok, ok)
			if c.message == "" {
				require.Empty(t, problems)
				require.Equal(t, c.ok, d.Set())
				return
			}
			require.Len(t, problems, 1)
			require.Contains(t, problems[0].Message, c.message)
		})
	}
}
