package notify

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	masked = "***"
	// leastPiece is the length from which a part of a URL is looked for in an error. Shorter ones are words such as v1.
	leastPiece = 6
)

// mask keeps the secrets of one URL out of what is printed about it. All of a URL but its service is one, and for some
// services the host.
type mask struct {
	// name is the URL as it may be shown.
	name string
	// pieces finds the secret's parts; nil finds nothing.
	pieces *regexp.Regexp
	// silent: the secret is too short to be looked for, so that no text of others about this URL may be shown.
	silent bool
}

// newMask never fails: a URL that cannot be read is all secret. The host is shown only if it is a server's name.
func newMask(raw string, openHost bool) mask {
	scheme, rest, _ := strings.Cut(raw, "://")
	m := mask{name: masked + "://" + masked}
	if _, known := find(scheme); known {
		m.name = strings.ToLower(scheme) + "://" + masked
	}
	host := ""
	var logins []string
	if u, err := url.Parse(raw); err == nil {
		host = u.Host
		if openHost && host != "" && m.name != masked+"://"+masked {
			m.name = strings.ToLower(scheme) + "://" + plain(host, mostName) + "/" + masked
		}
		m.silent = short(u)
		logins = login(u)
	}
	m.find(rest, host, openHost, logins)
	return m
}

// spellings are the text as it is written, and as it is meant.
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

// meant adds what a part stands for: a password that holds a / is one piece only until it is read.
func meant(part string, add func(string)) {
	for _, spelled := range spellings(part) {
		add(spelled)
	}
}

// short reports whether a password or token is too short to be looked for.
func short(u *url.URL) bool {
	if u.User == nil {
		return false
	}
	secret, has := u.User.Password()
	if !has {
		secret = u.User.Username()
	}
	return secret != "" && len(secret) < leastPiece
}

// find collects the parts of all sizes and in all spellings.
func (m *mask) find(rest, host string, openHost bool, logins []string) {
	parts := map[string]bool{}
	add := func(s string) {
		for _, spelled := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(spelled) >= leastPiece && utf8.ValidString(spelled) && (!openHost || !strings.EqualFold(spelled, host)) {
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
				meant(part, add)
			}
		}
	}
	for _, l := range logins {
		add(l)
	}
	m.compile(parts)
}

// login is user and password as protocols write them: a server may repeat what it was sent.
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

func (m *mask) compile(parts map[string]bool) {
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

// clean is a text of somebody else's with no secret of this URL and no other URL in it, in one line of bounded length.
func (m mask) clean(text string) string {
	if m.silent {
		return ""
	}
	text = strings.ToValidUTF8(head(text, mostField), "")
	if m.pieces != nil {
		text = m.pieces.ReplaceAllString(text, masked)
	}
	text = regexp.MustCompile(`[a-zA-Z0-9+.-]+://[^\s"'<>]+`).ReplaceAllStringFunc(text, func(other string) string {
		scheme, _, _ := strings.Cut(other, "://")
		if _, ok := find(scheme); !ok && scheme != "https" && scheme != "http" {
			scheme = masked
		}
		return scheme + "://" + masked
	})
	return plain(text, mostDetail)
}
