// Package converttest has what the tests of several stages share. Only tests import it.
package converttest
