package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNearestLabel(t *testing.T) {
	tests := []struct{ key, want string }{
		{"stoker.enabled", "stoker.enable"},
		{"stoker.enabel", "stoker.enable"},
		{"stoker.disable", ""},
		{"stoker.onExit", "stoker.on-exit"},
		{"stoker.on_exit", "stoker.on-exit"},
		{"stoker.exit", "stoker.on-exit"},
		{"stoker.stoptimeout", "stoker.stop-timeout"},
		{"stoker.stop-timout", "stoker.stop-timeout"},
		{"stoker.stop.timeout", "stoker.stop-timeout"},
		{"stoker.cpu", "stoker.cpus"},
		{"stoker.backoff", "stoker.backoff-max"},
		{"stoker.backoff-maximum", "stoker.backoff-max"},
		{"stoker.notify", ""},
		{"stoker.x", ""},
		{"stoker.", ""},
	}
	for _, test := range tests {
		t.Run(test.key, func(t *testing.T) {
			require.Equal(t, test.want, suggestLabel(test.key))
		})
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct {
		name, misspelt string
		known          []string
		want           string
	}{
		{"one letter, in another case", "x", []string{"y", "X"}, "X"},
		{"two letters of three", "ab", []string{"abc"}, "abc"},
		{"one letter of two", "a", []string{"ab"}, ""},
		{"the first of two that are as similar", "test", []string{"tent", "text"}, "tent"},
		{"the more similar one, which is later", "stable", []string{"tables", "stables"}, "stables"},
		{"two wrong letters of five", "tasks", []string{"tilks"}, ""},
		{"two wrong letters of six", "target", []string{"tazgut"}, "tazgut"},
		{"nothing is known", "x", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, Suggest(c.misspelt, c.known)) })
	}
}

func TestDistance(t *testing.T) {
	letters := rapid.StringMatching(`[ab]{0,7}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := []rune(letters.Draw(t, "a")), []rune(letters.Draw(t, "b"))
		d := distance(a, b)
		require.Equal(t, d, distance(b, a))
		require.Equal(t, string(a) == string(b), d == 0)
		require.LessOrEqual(t, d, max(len(a), len(b)))
		require.GreaterOrEqual(t, d, max(len(a), len(b))-min(len(a), len(b)))
	})
	require.Equal(t, 1, distance([]rune("enabel"), []rune("enable")), "neighbours swapped")
	require.Equal(t, 3, distance([]rune("kitten"), []rune("sitting")))
}
