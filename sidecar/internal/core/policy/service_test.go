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
		"attempts":              {Service{ContainerLabels: enabled, Condition: "any", CPUs: 1, MaxAttempts: 3}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			problems, advice := c.service.Check(Rules{Defaults: Defaults{Policy: Default()}}, false)
			require.Len(t, problems, c.problems)
			require.Len(t, advice, c.advice)
		})
	}
}
