// adder_net - sums of input bits, made by two-input adders that the sums share.
//
//   node n = a + b, a + b + 1, a - b, a - b - 1, or a one cycle of en_i later       for n = 0 .. Nodes-1
//   y_o[r] = node Outs[r]
//
// a and b are earlier nodes or inputs (b may count twice), as Table says: hwflow/units/sharing.py writes it. An entry
// is, from its low bits: 3 bits kind (in the order above), 1 bit b twice, 1 bit signed, 5 bits width, 13 bits a,
// 13 bits b; indices count the inputs first. All paths to a node cross the same number of registers.

module adder_net #(
  parameter int unsigned In    = 2,
  parameter int unsigned Nodes = 1,
  parameter int unsigned Bits  = 3,  // of the widest node, signed
  parameter int unsigned Outs  = 1,
  parameter logic [Nodes*36-1:0] Table = '0,
  parameter logic [Outs*13-1:0] Picks = '0  // the node of each output
) (
  input  logic                      clk_i,
  input  logic                      en_i,
  input  logic [In-1:0]             x_i,
  output logic [Outs-1:0][Bits-1:0] y_o
);
  logic [In+Nodes-1:0][Bits-1:0] values /* verilator split_var */;  // each signed

  for (genvar i = 0; i < In; i++) begin : gen_input
    assign values[i] = Bits'(x_i[i]);
  end

  for (genvar n = 0; n < Nodes; n++) begin : gen_node
    localparam logic [35:0] Entry = Table[n*36+:36];
    localparam int unsigned Kind  = 32'(Entry[2:0]);
    localparam int unsigned Width = 32'(Entry[9:5]);
    localparam int unsigned A     = 32'(Entry[22:10]);
    localparam int unsigned B     = 32'(Entry[35:23]);

    logic signed [Bits-1:0] a, b, whole;
    logic [Width-1:0]       kept;
    assign a = values[A];
    assign b = Entry[3] ? values[B] <<< 1 : values[B];
    if (Kind == 0) begin : gen_add
      assign whole = a + b;
    end else if (Kind == 1) begin : gen_add_one
      assign whole = a - ~b;  // a + b + 1 with the one adder
    end else if (Kind == 2) begin : gen_sub
      assign whole = a - b;
    end else if (Kind == 3) begin : gen_sub_one
      assign whole = a + ~b;  // a - b - 1
    end else begin : gen_same
      assign whole = a;
      logic unused;
      assign unused = &b;
    end
    if (Kind == 4) begin : gen_register
      always_ff @(posedge clk_i) if (en_i) kept <= whole[Width-1:0];
    end else begin : gen_wire
      assign kept = whole[Width-1:0];
    end
    if (Entry[4]) begin : gen_signed
      assign values[In+n] = Bits'($signed(kept));
    end else begin : gen_unsigned
      assign values[In+n] = Bits'(kept);
    end
    if (Width < Bits) begin : gen_rest
      logic unused;
      assign unused = &whole[Bits-1:Width];
    end
  end

  for (genvar r = 0; r < Outs; r++) begin : gen_out
    localparam int unsigned Pick = 32'(Picks[r*13+:13]);
    assign y_o[r] = values[Pick];
  end
endmodule
