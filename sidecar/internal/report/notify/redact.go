package notify

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"stoker/sidecar/internal/sanitize"
)

const (
	redacted = "***"
	// minPiece is the length from which a part of a URL is searched in a text. Shorter ones are words such as v1.
	minPiece = 6
)

// redactor keeps the secrets of one URL out of what is printed about it. All of a URL is secret but its service, and for some
// services the host.
type redactor struct {
	// name is the URL as it may be shown.
	name string
	// pieces finds the secret's parts; nil finds nothing.
	pieces *regexp.Regexp
	// silent: the secret is too short to be searched, so that no text of a service about this URL may be shown.
	silent bool
}

// newRedactor never fails: a URL that cannot be read is all secret. The host is shown only if it is a server's name.
func newRedactor(raw string, openHost bool) redactor {
	scheme, rest, _ := strings.Cut(raw, "://")
	m := redactor{name: redacted + "://" + redacted}
	if _, known := find(scheme); known {
		m.name = strings.ToLower(scheme) + "://" + redacted
	}
	host := ""
	var logins []string
	if u, err := url.Parse(raw); err == nil {
		host = u.Host
		if openHost && host != "" && m.name != redacted+"://"+redacted {
			m.name = strings.ToLower(scheme) + "://" + sanitize.Words(host, maxName) + "/" + redacted
		}
		m.silent = short(u)
		logins = login(u)
	}
	m.find(rest, host, openHost, logins)
	return m
}

// spellings returns the text as it is written, and decoded.
func spellings(text string) []string {
	all := []string{text}
	if meant, err := url.PathUnescape(text); err == nil {
		all = append(all, meant)
	}
	if meant, err := url.QueryUnescape(text); err == nil {
		all = append(all, meant)
	}
	return all
}

// addSpellings adds a part in all spellings: a password that contains a / is one piece only until it is decoded.
func addSpellings(part string, add func(string)) {
	for _, spelled := range spellings(part) {
		add(spelled)
	}
}

// short reports whether a password or token is too short to be searched.
func short(u *url.URL) bool {
	if u.User == nil {
		return false
	}
	secret, has := u.User.Password()
	if !has {
		secret = u.User.Username()
	}
	return secret != "" && len(secret) < minPiece
}

// find collects the parts of all sizes and in all spellings.
func (m *redactor) find(rest, host string, openHost bool, logins []string) {
	parts := map[string]bool{}
	add := func(s string) {
		for _, spelled := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(spelled) >= minPiece && utf8.ValidString(spelled) && (!openHost || !strings.EqualFold(spelled, host)) {
				parts[spelled] = true
			}
		}
	}
	for _, text := range spellings(rest) {
		for _, cut := range []string{"/?#", "/?#@", "/?#@&=", "/?#@&=:", "/?#@&=:,;+ -"} {
			for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(cut, r) }) {
				if openHost && host != "" && strings.Contains(host, part) {
					continue
				}
				addSpellings(part, add)
			}
		}
	}
	for _, l := range logins {
		add(l)
	}
	m.compile(parts)
}

// login returns user and password as protocols encode them: a server may repeat what it was sent.
func login(u *url.URL) []string {
	name := u.User.Username()
	password, _ := u.User.Password()
	if u.User == nil {
		return nil
	}
	var all []string
	for _, text := range []string{name + ":" + password, "\x00" + name + "\x00" + password, name, password} {
		all = append(all, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "="))
	}
	return all
}

func (m *redactor) compile(parts map[string]bool) {
	var all []string
	for part := range parts {
		all = append(all, regexp.QuoteMeta(part))
	}
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(x, y string) int { return cmp.Or(cmp.Compare(len(y), len(x)), cmp.Compare(x, y)) })
	pieces, err := regexp.Compile(`(?i)` + strings.Join(all, "|"))
	if err != nil { // a URL of absurd length
		m.silent = true
		return
	}
	m.pieces = pieces
}

// redact returns a text without the secrets of this URL and without other URLs, as one line of bounded length.
func (m redactor) redact(text string) string {
	if m.silent {
		return ""
	}
	text = strings.ToValidUTF8(sanitize.Clip(text, 8*utf8.UTFMax*maxField), "")
	if m.pieces != nil {
		text = m.pieces.ReplaceAllString(text, redacted)
	}
	text = regexp.MustCompile(`[a-zA-Z0-9+.-]+://[^\s"'<>]+`).ReplaceAllStringFunc(text, func(other string) string {
		scheme, _, _ := strings.Cut(other, "://")
		if _, ok := find(scheme); !ok && scheme != "https" && scheme != "http" {
			scheme = redacted
		}
		return scheme + "://" + redacted
	})
	return sanitize.Words(text, maxDetail)
}
