package notify

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// openRecord posts the whole record. A parameter that begins with @ is a header, the others stay with the address, as do user
// and password.
func openRecord(u *url.URL, client *http.Client) (sender, error) {
	h, err := hook(u, nil)
	if err != nil {
		return nil, err
	}
	return &web{client: client, build: func(m Message) []request {
		return []request{{url: h.address, header: with(h.header, "Content-Type", "application/json"), body: m.JSON}}
	}}, nil
}

// openGeneric posts the text, or with template=json title and message, as the library's service of that name does.
func openGeneric(u *url.URL, client *http.Client) (sender, error) {
	known := []string{"template", "contenttype", "disabletls", "method", "titlekey", "messagekey", "title"}
	h, err := hook(u, known)
	if err != nil {
		return nil, err
	}
	o := h.options
	inJSON := strings.EqualFold(o["template"], "json")
	if o["template"] != "" && !inJSON {
		return nil, errors.New("option template is not json")
	}
	kind, method := "text/plain; charset=utf-8", strings.ToUpper(o["method"])
	if inJSON {
		kind = "application/json"
	}
	if o["contenttype"] != "" {
		kind = o["contenttype"]
	}
	if method != "" && !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodGet}, method) {
		return nil, errors.New("option method is not POST, PUT, PATCH or GET")
	}
	return &web{client: client, build: func(m Message) []request {
		r := request{method: method, url: h.address, body: []byte(m.whole())}
		if inJSON {
			r = asJSON(h.address, o.fields(m))
			r.method = method
		}
		r.header = with(h.header, "Content-Type", kind)
		return []request{r}
	}}, nil
}

// fields are what the receiver's template wants: title and message under their names, and what the URL gives besides.
func (o options) fields(m Message) map[string]string {
	all := map[string]string{}
	for name, value := range o {
		if extra, ok := strings.CutPrefix(name, "$"); ok {
			all[extra] = value
		}
	}
	name := func(option, otherwise string) string {
		if o[option] != "" {
			return o[option]
		}
		return otherwise
	}
	all[name("titlekey", "title")], all[name("messagekey", "message")] = m.Title, m.Text
	return all
}

// hooked is a webhook's URL taken apart.
type hooked struct {
	address string
	header  map[string]string // parameters that begin with @
	options options           // those that are known, and extra fields, which begin with $
}

// hook takes a webhook's URL apart. What is neither option, header nor field stays with the address; so does an option's name
// with __ before it, without that.
func hook(u *url.URL, known []string) (hooked, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Host == "" {
		return hooked{}, errors.New("the host is missing, or the part after ? is not well formed")
	}
	h := hooked{header: map[string]string{}, options: options{}}
	rest := url.Values{}
	for name, values := range query {
		header, isHeader := strings.CutPrefix(name, "@")
		switch {
		case isHeader && !regexp.MustCompile(`^[A-Za-z0-9-]+$`).MatchString(header):
			return hooked{}, errors.New("the name of a header is not made of letters, digits and -")
		case isHeader:
			h.header[header] = printableASCII(values[0])
		case known != nil && strings.HasPrefix(name, "$"):
			h.options[name] = values[0]
		case slices.Contains(known, strings.ToLower(name)):
			h.options[strings.ToLower(name)] = values[0]
		case known != nil:
			rest[strings.TrimPrefix(name, "__")] = values
		default:
			rest[name] = values
		}
	}
	off, err := h.options.yes("disabletls", strings.HasSuffix(strings.ToLower(u.Scheme), "+http"))
	if err != nil {
		return hooked{}, err
	}
	to := *u
	to.Scheme, to.RawQuery, to.Fragment = "https", rest.Encode(), ""
	if off {
		to.Scheme = "http"
	}
	h.address = to.String()
	return h, nil
}

// printableASCII is what may stand in a header.
func printableASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

func with(header map[string]string, name, value string) map[string]string {
	all := map[string]string{name: value}
	for n, v := range header {
		all[n] = v
	}
	return all
}
