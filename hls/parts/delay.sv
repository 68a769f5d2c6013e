// delay - the same bits, Cycles cycles of en_i later; 0 is a wire.

module delay #(
  parameter int unsigned Bits   = 1,
  parameter int unsigned Cycles = 1
) (
  input  logic            clk_i,
  input  logic            en_i,
  input  logic [Bits-1:0] d_i,
  output logic [Bits-1:0] q_o
);
  if (Cycles == 0) begin : gen_wire
    assign q_o = d_i;
    logic unused;
    assign unused = &{clk_i, en_i};
  end else begin : gen_stages
    logic [Cycles*Bits-1:0] stage_q;  // oldest in the high bits
    if (Cycles == 1) begin : gen_one
      always_ff @(posedge clk_i) if (en_i) stage_q <= d_i;
    end else begin : gen_more
      always_ff @(posedge clk_i) if (en_i) stage_q <= {stage_q[(Cycles-1)*Bits-1:0], d_i};
    end
    assign q_o = stage_q[(Cycles-1)*Bits+:Bits];
  end
endmodule
