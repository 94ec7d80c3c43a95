package task

import (
	"crypto/md5" // the work, not a protection
	"fmt"
	"strconv"
	"strings"
)

// Prefix is the beginning of an MD5 digest, in hex digits.
type Prefix struct {
	text  string
	bytes []byte // the whole bytes of the prefix
	half  int    // one more digit, or -1
}

// ParsePrefix reads 1 to 32 hex digits.
func ParsePrefix(text string) (Prefix, error) {
	text = strings.ToLower(text)
	if len(text) == 0 || len(text) > 2*md5.Size {
		return Prefix{}, fmt.Errorf("%q has %d hex digits, wanted 1 to %d", text, len(text), 2*md5.Size)
	}
	prefix := Prefix{text: text, half: -1}
	for i := range len(text) {
		digit, err := strconv.ParseUint(text[i:i+1], 16, 8)
		if err != nil {
			return Prefix{}, fmt.Errorf("%q is not made of hex digits", text)
		}
		if i%2 == 0 {
			prefix.half = int(digit)
			continue
		}
		prefix.bytes = append(prefix.bytes, byte(prefix.half<<4|int(digit)))
		prefix.half = -1
	}
	return prefix, nil
}

func (p Prefix) String() string { return p.text }

func (p Prefix) matches(digest *[md5.Size]byte) bool {
	for i, b := range p.bytes {
		if digest[i] != b {
			return false
		}
	}
	return p.half < 0 || int(digest[len(p.bytes)]>>4) == p.half
}

// message is the text before the nonce. It holds the round, so that every round of an endless worker finds something new.
type message []byte

func newMessage(seed string, round uint64) message {
	return fmt.Appendf(nil, "%s:%d:", seed, round)
}

func (m message) digest(nonce uint64, buffer []byte) [md5.Size]byte {
	buffer = append(buffer[:0], m...)
	return md5.Sum(strconv.AppendUint(buffer, nonce, 10))
}

func searchNonces(m message, prefix Prefix, span Span) Partial {
	found := Partial{Items: span.Len()}
	buffer := make([]byte, 0, len(m)+20)
	for nonce := span.From; nonce < span.To; nonce++ {
		digest := m.digest(nonce, buffer)
		if !prefix.matches(&digest) {
			continue
		}
		found.Hits++
		if found.Lowest == nil {
			lowest := nonce
			found.Lowest = &lowest
		}
	}
	return found
}

// Digest returns the MD5 digest of one nonce in hex, to check a hit by hand.
func (t Task) Digest(round, nonce uint64) string {
	digest := newMessage(t.Seed, round).digest(nonce, nil)
	return fmt.Sprintf("%x", digest)
}
