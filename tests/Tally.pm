# SPDX-License-Identifier: Apache-2.0
# A harness for prove that also adds to the file $TALLY names, for each run: "passed failed skipped", and before it
# "# FILE: not ok ..." for each test that failed. A program that dies, breaks its plan or ends badly without a failed test
# counts as one failure, one that skips all its tests as one skipped.
package Tally;
use strict;
use warnings;
use parent 'TAP::Harness';

sub runtests
{
	my ($self, @tests) = @_;
	my @failed;
	$self->callback(made_parser => sub {
		my ($parser, $job) = @_;
		$parser->callback(test => sub {
			push @failed, '# ' . $job->[1] . ': ' . $_[0]->raw if !$_[0]->is_ok;
		});
	});
	my $aggregate = $self->SUPER::runtests(@tests);
	my ($failed, $skipped) = (0, scalar $aggregate->skipped);
	# A skipped test is "ok" too.
	my $passed = $aggregate->passed - $skipped;

	for my $parser ($aggregate->parsers) {
		$failed += $parser->failed || ($parser->has_problems ? 1 : 0);
		$skipped++ if defined $parser->skip_all;
	}
	open my $tally, '>>', $ENV{TALLY} or die "$ENV{TALLY}: $!\n";
	print {$tally} map { "$_\n" } @failed;
	printf {$tally} "%d %d %d\n", $passed, $failed, $skipped;
	close $tally or die "$ENV{TALLY}: $!\n";
	return $aggregate;
}

1;
