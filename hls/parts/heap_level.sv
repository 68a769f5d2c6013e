// heap_level - the sum of bits of many weights: one level of counters, and the levels below it.
//
//   sum_o = sum over columns k of 2^k * (how many of column k's bits are 1), `Cuts` cycles of en_i later
//
// Column k has Heights[16 k +: 16] bits, those of column 0 low in bits_i. The level counts whole sevens of bits, which
// leaves three for seven. With h = 7 q + r bits in every column there are then 3 q + r, so a level brings 7 to 3, 15 to
// 7, 35 to 15, .. Each level aims at the largest of these below its highest column, and adds a full adder or a counter of
// fewer bits only where a column would be higher: what is left goes on to where it fills a seven. Three rows are added.
// Registers stand below every level, as long as two levels between two of them suffice for the rest.
// There is such a module where POPCOUNT_OF_SLICES is defined.

`ifdef POPCOUNT_OF_SLICES
module heap_level #(
  parameter int unsigned Bits = 3,  // of the sum, and columns; weights beyond them are not reached
  parameter int unsigned N    = 7,  // bits in all
  parameter logic [16*Bits-1:0] Heights = 7,
  parameter int unsigned Cuts = 0
) (
  input  logic            clk_i,
  input  logic            en_i,
  input  logic [N-1:0]    bits_i,
  output logic [Bits-1:0] sum_o
);
  typedef logic [16*Bits-1:0] columns_t;  // a number for each column
  localparam int unsigned Sevens = 0, Few = 1, Three = 2, Height = 3;

  function automatic int unsigned find_largest(input columns_t v);
    find_largest = 0;
    for (int unsigned k = 0; k < Bits; k++) if (32'(v[16*k+:16]) > find_largest) find_largest = 32'(v[16*k+:16]);
  endfunction

  // sum of the numbers of the columns below one
  function automatic int unsigned add_below(input columns_t v, input int unsigned column);
    add_below = 0;
    for (int unsigned k = 0; k < column; k++) add_below = add_below + 32'(v[16*k+:16]);
  endfunction

  // What this level makes of heights v. Sevens: full counters; Few: bits of one more that is not full, or 0; Three: bits
  // of a full adder, or 0; Height: heights after it. Column k + 1 takes one bit of each, k + 2 one of each counter.
  function automatic columns_t reduce(input columns_t v, input int unsigned what);
    int unsigned most, sevens, few, three, rest, height, from_1, counters_1, counters_2;
    most = 3;
    for (int unsigned i = 0; i < 12; i++) if (7 * (most / 3) + most % 3 < find_largest(v)) most = 7 * (most / 3) + most % 3;
    from_1     = 0;
    counters_1 = 0;
    counters_2 = 0;
    reduce     = '0;
    for (int unsigned k = 0; k < Bits; k++) begin
      sevens = 32'(v[16*k+:16]) / 7;
      rest   = 32'(v[16*k+:16]) % 7;
      height = from_1 + counters_2 + sevens + rest;
      few    = 0;
      three  = 0;
      if (height > most && (rest < 4 || height <= most + 2)) three = rest < 3 ? rest : 3;
      else if (height > most) few = rest;
      height = height - few - three + (few > 0 ? 1 : 0) + (three > 0 ? 1 : 0);
      reduce[16*k+:16] = 16'(what == Sevens ? sevens : what == Few ? few : what == Three ? three : height);
      counters_2 = counters_1;
      counters_1 = sevens + (few > 0 ? 1 : 0);
      from_1     = counters_1 + (three > 0 ? 1 : 0);
    end
  endfunction

  function automatic int unsigned count_levels(input columns_t v);
    columns_t now;
    now          = v;
    count_levels = 0;
    for (int unsigned i = 0; i < 12; i++) begin
      if (find_largest(now) > 3) begin
        now          = reduce(now, Height);
        count_levels = count_levels + 1;
      end
    end
  endfunction

  localparam int unsigned Levels = count_levels(Heights);  // left, this one included

  if (Levels == 0) begin : gen_sum
    logic [3*Bits-1:0] rows;
    logic [Bits-1:0]   sum;
    for (genvar k = 0; k < Bits; k++) begin : gen_column
      for (genvar r = 0; r < 3; r++) begin : gen_row
        if (r < Heights[16*k+:16]) begin : gen_bit
          assign rows[r*Bits+k] = bits_i[add_below(Heights, k)+r];
        end else begin : gen_none
          assign rows[r*Bits+k] = 1'b0;
        end
      end
    end
    heap_sum #(
      .Bits(Bits)
    ) add (
      .x_i(rows), .sum_o(sum)
    );
    delay #(
      .Bits(Bits), .Cycles(Cuts)
    ) sum_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(sum), .q_o(sum_o)
    );
  end else begin : gen_level
    localparam columns_t Full  = reduce(Heights, Sevens);
    localparam columns_t Part  = reduce(Heights, Few);
    localparam columns_t Adder = reduce(Heights, Three);
    localparam columns_t Next  = reduce(Heights, Height);
    localparam int unsigned NextN = add_below(Next, Bits);
    localparam bit Cut = Cuts > 0 && Levels <= 2 * Cuts;  // after this level as many are left, the sum one of them

    logic [NextN-1:0] next, next_q;
    for (genvar k = 0; k < Bits; k++) begin : gen_column
      localparam int unsigned Q = 32'(Full[16*k+:16]);
      localparam int unsigned P = 32'(Part[16*k+:16]);
      localparam int unsigned A = 32'(Adder[16*k+:16]);
      localparam int unsigned Counters = Q + (P > 0 ? 1 : 0);
      localparam int unsigned Before   = k == 0 ? 0 : 32'(Full[16*(k==0?0:k-1)+:16]) + (Part[16*(k==0?0:k-1)+:16] > 0 ? 1 : 0);
      localparam int unsigned Rest     = 32'(Heights[16*k+:16]) - 7 * Q - P - A;
      localparam int unsigned From     = add_below(Heights, k);
      // a column of the next level: sums of its own, what goes on, bits from the column below, those from two below
      localparam int unsigned To0 = add_below(Next, k);
      localparam int unsigned To1 = k + 1 < Bits ? add_below(Next, k + 2) - Before - Counters - (A > 0 ? 1 : 0) : 0;
      localparam int unsigned To2 = k + 2 < Bits ? add_below(Next, k + 3) - Counters : 0;
      if (Counters > 0) begin : gen_counters
        logic [3*Counters-1:0] count;
        counter7 #(
          .Counters(Counters)
        ) counters (
          .x_i((7*Counters)'(bits_i[From+:7*Q+P])), .count_o(count)
        );
        for (genvar j = 0; j < Counters; j++) begin : gen_counter
          assign next[To0+j] = count[3*j];
          if (k + 1 < Bits) begin : gen_1
            assign next[To1+j] = count[3*j+1];
          end
          if (k + 2 < Bits) begin : gen_2
            assign next[To2+j] = count[3*j+2];
          end
        end
      end
      if (A > 0) begin : gen_adder
        logic [2:0] x;
        logic       sum, carry;
        assign x = 3'(bits_i[From+7*Q+P+:A]);
        equal_adder adder (
          .a_i(x[1:0]), .b_i(2'b11), .c_i(x[2]), .sum_o(sum), .carry_o(carry)
        );
        assign next[To0+Counters] = sum;
        if (k + 1 < Bits) begin : gen_1
          assign next[To1+Counters] = carry;
        end
      end
      if (Rest > 0) begin : gen_rest
        assign next[To0+Counters+(A>0?1:0)+:Rest] = bits_i[From+7*Q+P+A+:Rest];
      end
    end
    delay #(
      .Bits(NextN), .Cycles(32'(Cut))
    ) next_level (
      .clk_i(clk_i), .en_i(en_i), .d_i(next), .q_o(next_q)
    );
    heap_level #(
      .Bits(Bits), .N(NextN), .Heights(Next), .Cuts(Cuts - 32'(Cut))
    ) more (
      .clk_i(clk_i), .en_i(en_i), .bits_i(next_q), .sum_o(sum_o)
    );
  end
endmodule
`endif
