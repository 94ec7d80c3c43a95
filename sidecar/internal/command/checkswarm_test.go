package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
)

// On a manager the services with labels of Stoker are checked, too.
func TestCheckOfServices(t *testing.T) {
	engine := &fakeEngine{services: []policy.Service{
		{Name: "web", ContainerLabels: map[string]string{"stoker.enable": "true"}, Condition: "on-failure", CPUs: 0.5},
		{Name: "lost", Labels: map[string]string{"stoker.enable": "true"}, Condition: "any", CPUs: 0.5},
		{Name: "stranger", Condition: "any"},
	}}
	got := play(t, checkEnv(engine), "check")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.out, "is a label of the service, which no container has")
	require.Contains(t, got.out, "use condition any")
	require.NotContains(t, got.out, "stranger")
	require.Less(t, strings.Index(got.out, "lost"), strings.Index(got.out, "web"))
}

// A task that is unhealthy and ends with 0 is lost under on-failure.
func TestOnFailureWithAHealthCheck(t *testing.T) {
	for name, c := range map[string]struct {
		service string
		warned  bool
	}{
		"on-failure, checked":     {`w: {image: w, labels: {stoker.enable: "true"}, healthcheck: {test: [CMD, x]}, deploy: {restart_policy: {condition: on-failure}}}`, true},
		"on-failure, the image's": {`w: {image: w, labels: {stoker.enable: "true"}, deploy: {restart_policy: {condition: on-failure}}}`, true},
		"on-failure, unchecked":   {`w: {image: w, labels: {stoker.enable: "true"}, healthcheck: {disable: true}, deploy: {restart_policy: {condition: on-failure}}}`, false},
		"any":                     {`w: {image: w, labels: {stoker.enable: "true"}, healthcheck: {test: [CMD, x]}, deploy: {restart_policy: {condition: any}}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, code := drafted(t, nil, "--compose", stackFile(t, c.service))
			require.Zero(t, code)
			require.Equal(t, c.warned, slices.Contains(d.Services[0].Advice, onFailure))
		})
	}
}
