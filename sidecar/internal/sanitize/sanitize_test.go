package sanitize

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func hostile() map[string]string {
	return map[string]string{
		"empty": "", "plain": "my_project-worker.1", "umlaut": "ü", "picture": "😀", "not UTF-8": "a\xff\xfeb", "half a rune": "a\xc3",
		"escape": "\x1b[2J\u009b31m\x1b]0;owned\a", "direction": "a\u202eb\u2066", "unseen": "\ufeff\u200b", "lines": "a\r\nb\nc\td",
		"separators": "a\u2028b\u2029c", "zero": "\x00", "delete": "\x7f", "spaces": "a\u00a0\u3000b", "long": strings.Repeat("é\n", 100_000),
		"garbage": strings.Repeat("\x80", 100_000),
	}
}

func TestLineAndText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, line, kept string }{
		"plain":     {"my_project-worker.1", "my_project-worker.1", "my_project-worker.1"},
		"lines":     {"a\r\nb\tc\n", "a  b c ", "a\nb\tc\n"},
		"escape":    {"\x1b[31m", "\uFFFD[31m", "\uFFFD[31m"},
		"direction": {"a\u202eb", "a\uFFFDb", "a\uFFFDb"},
		"invalid":   {"a\xff\x00b", "a\uFFFD\uFFFDb", "a\uFFFD\uFFFDb"},
		"spaces":    {"a\u00a0b\u2028c", "a b c", "a b c"},
	} {
		require.Equal(t, c.line, Line(c.text), name)
		require.Equal(t, c.kept, Text(c.text), name)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Repeat("x", 199)+"…", Words(strings.Repeat("x", 100_000), 200))
	require.Equal(t, "a b", Words("\ta\u00a0\n b", 200))
	require.Equal(t, "\uFFFD\uFFFD", Words("\xff\x00", 200))
}

func TestEscape(t *testing.T) {
	t.Parallel()
	require.Equal(t, `a\nb\x1b[2J\u202eü`, Escape("a\nb\x1b[2J\u202eü"))
}

func TestClip(t *testing.T) {
	t.Parallel()
	require.Equal(t, "abc", Clip("abc", 3))
	require.Equal(t, "ab…", Clip("abcdef", 5))
	require.Equal(t, "é…", Clip("ééé", 5))
	require.Equal(t, "a\uFFFD", Clip("a\xff", 5))
}

// harmless checks the guarantees for every text that is shown in a line.
func harmless(t require.TestingT, text string) {
	require.True(t, utf8.ValidString(text))
	for _, r := range text {
		require.True(t, r == utf8.RuneError || unicode.IsPrint(r), "%U", r)
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harmless(t, Line(text))
			harmless(t, Escape(text))
			harmless(t, Label(text))
			require.LessOrEqual(t, len(Label(text)), 512)
			harmless(t, Words(text, 64))
			require.LessOrEqual(t, utf8.RuneCountInString(Words(text, 64)), 64)
			harmless(t, strings.NewReplacer("\n", "", "\t", "").Replace(Text(text)))
			require.LessOrEqual(t, len(Clip(text, 100)), 100)
			require.True(t, utf8.ValidString(Clip(text, 100)))
		})
	}
}

func TestAnyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		most := rapid.IntRange(3, 40).Draw(t, "most")
		harmless(t, Line(text))
		harmless(t, Label(text))
		harmless(t, Escape(text))
		require.True(t, utf8.ValidString(Clip(text, most)))
		require.LessOrEqual(t, len(Clip(text, most)), most)
		require.LessOrEqual(t, utf8.RuneCountInString(Words(text, most)), most)
	})
}

func TestLabelsOfDifferentTextsDiffer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	seen := map[string]string{}
	for _, text := range []string{long + "a", long + "b", "a\nb", "a\rb", "a b", "a\xffb", "a\xfeb", "a\ufffdb", "ab", "~other", Label(long)} {
		value := Label(text)
		require.Empty(t, seen[value], "%q and %q", text, seen[value])
		seen[value] = text
	}
	require.Equal(t, "my_project-worker.1", Label("my_project-worker.1"))
	require.NotEqual(t, "~other", Label("~other"))
}
