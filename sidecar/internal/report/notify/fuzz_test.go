package notify

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/sanitize"
)

// written returns a text as it has to be written in a URL, wherever in it.
func written(word string) string {
	var out strings.Builder
	for _, b := range []byte(word) {
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' {
			out.WriteByte(b)
			continue
		}
		fmt.Fprintf(&out, "%%%02X", b)
	}
	return out.String()
}

// alone finds the secret where it is a part of the URL by itself; where it is only the beginning or the end of one, the whole
// of it is the secret.
var alone = regexp.MustCompile(`[/?#@&=:,;+ -]` + secret + `([/?#@&=:,;+ -]|$)`)

// shownOf is every text about a URL with this secret in it that people get to see, when servers repeat what they were sent.
func shownOf(t *testing.T, scheme, word string) string {
	t.Helper()
	raw := strings.ReplaceAll(forms()[scheme], secret, written(word))
	_, m, err := open(raw, &http.Client{Transport: failing{}})
	texts := []string{m.name}
	if err != nil {
		texts = append(texts, err.Error())
	}
	for _, echo := range []string{word, written(word), strings.ToLower(word), raw, "key " + word + " is not known"} {
		for _, err := range []error{errors.New(echo), statusError{http.StatusUnauthorized, echo}} {
			c := explain(err, m)
			texts = append(texts, c.problem, c.advice)
		}
	}
	all := strings.Join(texts, "\n")
	require.True(t, utf8.ValidString(all))
	require.Less(t, len(all), 40_000)
	return strings.ToLower(all)
}

// FuzzRedact puts any secret into a URL of any service. No text about that URL holds the secret, as it was written or as it is
// meant, also when a server sends it back.
func FuzzRedact(f *testing.F) {
	for scheme := range forms() {
		f.Add(scheme, secret)
	}
	for _, word := range []string{"aa/bb/cc/dd", "p@ss:w0rd", "a b+c d-e f", "квас-и-хлеб", "%41%42%43%44", "\"quoted\"word", `back\slash\es`, "$1${2}secret", "a\tb\tc\td\te", "://://://", "12345"} {
		f.Add("smtp", word)
		f.Add("json+https", word)
		f.Add("telegram", word)
	}
	f.Fuzz(func(t *testing.T, scheme, word string) {
		if !alone.MatchString(forms()[scheme]) || len(word) < minPiece || !utf8.ValidString(word) || strings.TrimSpace(sanitize.Words(word, maxDetail)) != word {
			return // too short to be searched for, or not as it would be shown
		}
		if strings.Contains(shownOf(t, scheme, secret), strings.ToLower(word)) || strings.Trim(word, "*") == "" {
			return // one of Stoker's own words
		}
		require.NotContains(t, shownOf(t, scheme, word), strings.ToLower(word))
	})
}
