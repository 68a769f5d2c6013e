// carry_chain - carry chains side by side, in the carry cells of AMD's slices.
//
//   sum_o[k] = s_i[k] ^ carry into place k,   carry_o[k] = s_i[k] ? carry into place k : d_i[k]
//
// Place k of chain c is bit Places c + k; the carry into its place 0 is carry_i[c], that into every other place the
// carry_o below. CHAIN_OF_CARRY8 chooses the cell: with it the eight places of UltraScale's CARRY8, of which two chains of
// at most four places share one; without it the four of 7-series' CARRY4. There is such a module where
// POPCOUNT_OF_SLICES is defined.

`ifdef POPCOUNT_OF_SLICES
module carry_chain #(
  parameter int unsigned Places = 4,
  parameter int unsigned Chains = 1
) (
  input  logic [Chains-1:0]        carry_i,
  input  logic [Chains*Places-1:0] s_i,
  input  logic [Chains*Places-1:0] d_i,
  output logic [Chains*Places-1:0] sum_o,
  output logic [Chains*Places-1:0] carry_o
);
`ifdef CHAIN_OF_CARRY8
  localparam int unsigned Fours = Places <= 4 ? 1 : 2 * ((Places + 7) / 8);  // groups of four places in a chain
  localparam int unsigned All   = 2 * ((Chains * Fours + 1) / 2);
`else
  localparam int unsigned Fours = (Places + 3) / 4;
  localparam int unsigned All   = Chains * Fours;
`endif
  // a chain's last places, and a last group, may be beyond what there is to add
  // verilator lint_off UNUSEDSIGNAL
  logic [4*All-1:0] s, d, sum, carry;
  logic [All-1:0]   enters;  // the carry into each group
  // verilator lint_on UNUSEDSIGNAL

  for (genvar c = 0; c < Chains; c++) begin : gen_chain
    assign s[4*Fours*c+:4*Fours]     = (4*Fours)'(s_i[Places*c+:Places]);
    assign d[4*Fours*c+:4*Fours]     = (4*Fours)'(d_i[Places*c+:Places]);
    assign sum_o[Places*c+:Places]   = sum[4*Fours*c+:Places];
    assign carry_o[Places*c+:Places] = carry[4*Fours*c+:Places];
  end
  for (genvar f = 0; f < All; f++) begin : gen_enters
    if (f % Fours > 0) begin : gen_next
      assign enters[f] = carry[4*f-1];
    end else if (f < Chains * Fours) begin : gen_first
      assign enters[f] = carry_i[f/Fours];
    end else begin : gen_free
      assign enters[f] = 1'b0;
      assign s[4*f+:4] = '0;
      assign d[4*f+:4] = '0;
    end
  end
`ifdef CHAIN_OF_CARRY8
  for (genvar e = 0; e < All / 2; e++) begin : gen_eight
    if (Fours == 1) begin : gen_two
      CARRY8 #(
        .CARRY_TYPE("DUAL_CY4")
      ) cell_8 (
        .CI(enters[2*e]), .CI_TOP(enters[2*e+1]), .S(s[8*e+:8]), .DI(d[8*e+:8]), .O(sum[8*e+:8]), .CO(carry[8*e+:8])
      );
    end else begin : gen_one
      CARRY8 #(
        .CARRY_TYPE("SINGLE_CY8")
      ) cell_8 (
        .CI(enters[2*e]), .CI_TOP(1'b0), .S(s[8*e+:8]), .DI(d[8*e+:8]), .O(sum[8*e+:8]), .CO(carry[8*e+:8])
      );
    end
  end
`else
  for (genvar f = 0; f < All; f++) begin : gen_four
    localparam bit First = f % Fours == 0;  // its carry is from outside, others' from the cell below
    CARRY4 cell_4 (
      .CI(!First & enters[f]), .CYINIT(First & enters[f]),
      .S(s[4*f+:4]), .DI(d[4*f+:4]), .O(sum[4*f+:4]), .CO(carry[4*f+:4])
    );
  end
`endif
endmodule
`endif
