# SPDX-License-Identifier: Apache-2.0
# A harness for prove that also adds "passed failed" of each run to the file $TALLY names. A program that dies, breaks
# its plan or ends badly without a failed test counts as one failure.
package Tally;
use strict;
use warnings;
use parent 'TAP::Harness';

sub runtests
{
	my ($self, @tests) = @_;
	my $aggregate = $self->SUPER::runtests(@tests);
	my $failed = 0;

	for my $parser ($aggregate->parsers) {
		$failed += $parser->failed || ($parser->has_problems ? 1 : 0);
	}
	open my $tally, '>>', $ENV{TALLY} or die "$ENV{TALLY}: $!\n";
	printf {$tally} "%d %d\n", scalar $aggregate->passed, $failed;
	close $tally or die "$ENV{TALLY}: $!\n";
	return $aggregate;
}

1;
