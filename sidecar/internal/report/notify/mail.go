package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/smtp"
	"net/url"
	"strings"
	"time"
)

const (
	portMail     = "25"
	portImplicit = "465" // TLS from the first byte
)

// post sends mail over a connection of its own for each message: they are rare.
type post struct {
	host, port string
	hello      string
	from       mail.Address
	to         []string
	auth       smtp.Auth
	implicit   bool
	startTLS   bool
	needTLS    bool
	tls        *tls.Config
}

// openMail: USER:PASSWORD@HOST:PORT/?from=&to=. Mail is plain text whatever usehtml says.
func openMail(u *url.URL, _ *http.Client) (sender, error) {
	o, err := readOptions(u, "from", "fromaddress", "fromname", "to", "toaddresses", "auth", "encryption", "starttls", "usestarttls",
		"requirestarttls", "skiptlsverify", "clienthost", "usehtml", "timeout", "subject", "title")
	if err != nil {
		return nil, err
	}
	p := &post{host: u.Hostname(), port: u.Port(), hello: o["clienthost"], to: recipients(o["to"] + "," + o["toaddresses"])}
	if p.host == "" || len(p.to) == 0 {
		return nil, errors.New("host or recipient is missing")
	}
	for n, to := range p.to {
		if p.to[n], err = address(to); err != nil {
			return nil, errors.New("a recipient is not a mail address")
		}
	}
	p.from.Name = plain(o["fromname"], mostName)
	if p.from.Address, err = address(o["from"] + o["fromaddress"]); err != nil {
		return nil, errors.New("the sender (from) is missing or not a mail address")
	}
	if p.port == "" {
		p.port = portMail
	}
	if p.hello == "" || p.hello == "auto" {
		p.hello = "localhost"
	}
	return p, errors.Join(p.secure(o), p.identify(o, u.User))
}

func recipients(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// address reads a bare address. A plus that was not written as %2B has become a space.
func address(text string) (string, error) {
	a, err := mail.ParseAddress(strings.ReplaceAll(text, " ", "+"))
	if err != nil {
		return "", fmt.Errorf("read a mail address: %w", err)
	}
	return a.Address, nil
}

func (p *post) secure(o options) error {
	trusting, err := o.yes("skiptlsverify", false)
	if err != nil {
		return err
	}
	p.tls = &tls.Config{ServerName: p.host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: trusting}
	if p.startTLS, err = o.yes("starttls", true); err != nil {
		return err
	}
	if on, err := o.yes("usestarttls", true); err != nil || !on {
		p.startTLS = false
	}
	if p.needTLS, err = o.yes("requirestarttls", false); err != nil {
		return err
	}
	switch strings.ToLower(o["encryption"]) {
	case "", "auto":
		p.implicit = p.port == portImplicit
	case "none":
		p.startTLS = false
	case "explicittls":
		p.needTLS = true
	case "implicittls":
		p.implicit = true
	default:
		return errors.New("option encryption is not Auto, None, ExplicitTLS or ImplicitTLS")
	}
	return nil
}

func (p *post) identify(o options, user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	switch strings.ToLower(o["auth"]) {
	case "", "unknown":
		if name != "" {
			p.auth = smtp.PlainAuth("", name, password, p.host)
		}
	case "plain":
		p.auth = smtp.PlainAuth("", name, password, p.host)
	case "crammd5":
		p.auth = smtp.CRAMMD5Auth(name, password)
	case "none":
	default:
		return errors.New("option auth is not Plain, CRAMMD5 or None")
	}
	return nil
}

func (p *post) send(ctx context.Context, m Message) error {
	conn, err := p.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := p.talk(conn, m); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	}
	return nil
}

func (p *post) dial(ctx context.Context) (net.Conn, error) {
	to := net.JoinHostPort(p.host, p.port)
	if p.implicit {
		return (&tls.Dialer{Config: p.tls}).DialContext(ctx, "tcp", to)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", to)
}

func (p *post) talk(conn net.Conn, m Message) error {
	c, err := smtp.NewClient(conn, p.host)
	if err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if err := p.open(c); err != nil {
		return err
	}
	if err := c.Mail(p.from.Address); err != nil {
		return fmt.Errorf("name the sender: %w", err)
	}
	for _, to := range p.to {
		if err := c.Rcpt(to); err != nil {
			return fmt.Errorf("name a recipient: %w", err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("begin the mail: %w", err)
	}
	if _, err := w.Write(p.compose(m, time.Now())); err != nil {
		return fmt.Errorf("write the mail: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("end the mail: %w", err)
	}
	_ = c.Quit() // the mail is on its way, whatever comes of this
	return nil
}

// open greets, encrypts and logs in.
func (p *post) open(c *smtp.Client) error {
	if err := c.Hello(p.hello); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	if !p.implicit {
		offered, _ := c.Extension("STARTTLS")
		switch {
		case p.startTLS && offered:
			if err := c.StartTLS(p.tls); err != nil {
				return fmt.Errorf("begin TLS: %w", err)
			}
		case p.needTLS:
			return errors.New("the server offers no STARTTLS, and the URL asks for it")
		}
	}
	if p.auth == nil {
		return nil
	}
	if err := c.Auth(p.auth); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	return nil
}

// compose is the mail as it is sent. Nothing of the message gets into a header unencoded.
func (p *post) compose(m Message, now time.Time) []byte {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", p.from.String())
	header("To", strings.Join(p.to, ", "))
	header("Subject", mime.QEncoding.Encode("utf-8", plain(m.Title, mostTitle)))
	header("Date", now.Format(time.RFC1123Z))
	header("Message-ID", "<"+rand.Text()+"@stoker.invalid>")
	header("Auto-Submitted", "auto-generated") // no out-of-office answers
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	body := quotedprintable.NewWriter(&b)
	_, _ = body.Write([]byte(strings.ReplaceAll(m.whole(), "\n", "\r\n") + "\r\n")) // into memory
	_ = body.Close()
	return b.Bytes()
}
