package notify

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// openNtfy publishes as JSON to the server's root, which takes any letters; a header would not.
func openNtfy(u *url.URL, client *http.Client) (sender, error) {
	o, err := readOptions(u, "scheme", "disabletls", "disabletlsverification", "priority", "tags", "click", "icon", "email", "delay", "at", "in",
		"cache", "firebase", "title")
	if err != nil {
		return nil, err
	}
	path := segments(u)
	if u.Host == "" || len(path) == 0 {
		return nil, errors.New("host or topic is missing")
	}
	address, client, err := server(u, o, client, "disabletlsverification")
	if err != nil {
		return nil, err
	}
	address.Path = "/" + strings.Join(path[:len(path)-1], "/")
	urgency, ok := urgencies()[strings.ToLower(o["priority"])]
	if !ok {
		return nil, errors.New("option priority is not 1 to 5, min, low, default, high or max")
	}
	out := ntfyJSON{
		Topic: path[len(path)-1], Priority: urgency, Tags: o.list("tags"), Click: o["click"], Icon: o["icon"], Email: o["email"],
		Delay: o["delay"] + o["at"] + o["in"],
	}
	header := map[string]string{}
	for _, name := range []string{"cache", "firebase"} {
		if on, err := o.yes(name, true); err != nil {
			return nil, err
		} else if !on {
			header[name] = "no"
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return &web{client: client, build: func(m Message) []request {
		say := out
		say.Title, say.Message = m.Title, m.Text
		if say.Message == "" {
			say.Title, say.Message = "", m.Title
		}
		r := asJSON(address.String(), say)
		for name, value := range header {
			r.header[name] = value
		}
		return []request{r}
	}}, nil
}

type ntfyJSON struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title,omitempty"`
	Message  string   `json:"message"`
	Priority int      `json:"priority,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Click    string   `json:"click,omitempty"`
	Icon     string   `json:"icon,omitempty"`
	Email    string   `json:"email,omitempty"`
	Delay    string   `json:"delay,omitempty"`
}

func urgencies() map[string]int {
	return map[string]int{
		"": 0, "1": 1, "min": 1, "2": 2, "low": 2, "3": 3, "default": 3, "4": 4, "high": 4, "5": 5, "max": 5, "urgent": 5,
	}
}

// server is the address of a server of one's own, and the client for it: TLS may be off, or its certificate not looked at.
func server(u *url.URL, o options, client *http.Client, trustAll string) (url.URL, *http.Client, error) {
	off, err := o.yes("disabletls", false)
	if err != nil {
		return url.URL{}, nil, err
	}
	trusting, err := o.yes(trustAll, false)
	if err != nil {
		return url.URL{}, nil, err
	}
	scheme := "https"
	switch strings.ToLower(o["scheme"]) {
	case "", "https":
	case "http":
		off = true
	default:
		return url.URL{}, nil, errors.New("option scheme is neither http nor https")
	}
	if off {
		scheme = "http"
	}
	if trusting {
		client = trust(client)
	}
	return base(u, scheme), client, nil
}

// trust is the client without a look at certificates, for those who ask for it.
func trust(client *http.Client) *http.Client {
	t, ok := client.Transport.(agentTransport)
	if !ok {
		return client
	}
	blind, ok := t.base.(*http.Transport)
	if !ok {
		return client
	}
	blind = blind.Clone()
	blind.TLSClientConfig.InsecureSkipVerify = true
	other := *client
	other.Transport = agentTransport{agent: t.agent, base: blind}
	return &other
}

// openGotify: the token is the last part of the path. It goes into a header, where no log of a proxy shows it.
func openGotify(u *url.URL, client *http.Client) (sender, error) {
	o, err := readOptions(u, "priority", "disabletls", "insecureskipverify", "useheader", "title")
	if err != nil {
		return nil, err
	}
	path := segments(u)
	if u.Host == "" || len(path) == 0 {
		return nil, errors.New("host or token is missing")
	}
	address, client, err := server(u, o, client, "insecureskipverify")
	if err != nil {
		return nil, err
	}
	address.Path = "/" + strings.Join(append(path[:len(path)-1:len(path)-1], "message"), "/")
	urgency := 5
	if text := o["priority"]; text != "" {
		if urgency, err = strconv.Atoi(text); err != nil {
			return nil, errors.New("option priority is not a number")
		}
	}
	token := path[len(path)-1]
	return &web{client: client, build: func(m Message) []request {
		say := gotifyJSON{Title: m.Title, Message: m.Text, Priority: urgency}
		if say.Message == "" {
			say.Title, say.Message = "Stoker", m.Title
		}
		r := asJSON(address.String(), say)
		r.header["X-Gotify-Key"] = token
		return []request{r}
	}}, nil
}

type gotifyJSON struct {
	Title    string `json:"title"`
	Message  string `json:"message"`
	Priority int    `json:"priority"`
}
